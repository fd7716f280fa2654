"""A table rebuilt: the source's rows are asked for once more and waited for, rows that it lacks go, both are equal."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest

from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.steering import Steer
from consumer.core.workflow import State
from consumer.edges.postgres.differing import PostgresKeys
from consumer.edges.postgres.reconcile import TableRules
from consumer.edges.postgres.sides import PostgresRows
from consumer.edges.postgres.sweeping import swept
from consumer.edges.postgres.workflows import PostgresWorkflows
from consumer.ports.recovering import Workflow
from consumer.recovery.rebuilding import Rebuilding
from consumer.recovery.reconciling import Reconciling
from tests.pg.comparing import NOTE, Scene
from tests.pg.conftest import Pools

KEYS = "id bigint PRIMARY KEY, word text"


@dataclass
class Rebuilt:
    """A scene whose tables are rebuilt; `on_send`: what the source does when it is asked."""

    scene: Scene
    on_send: Callable[[], None] = lambda: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    moments: Iterator[int] = field(default_factory=lambda: iter(range(100_000)))

    def send(self, table: str, identity: str) -> None:
        """The connector is asked."""
        self.asked.append((table, identity))
        self.on_send()

    def now(self) -> float:
        """A clock that goes on by a tenth of a second with each look."""
        return next(self.moments) / 10

    def workflows(self) -> PostgresWorkflows:
        """A process of its own."""
        scene = self.scene
        comparison = scene.comparison()
        rebuilding = Rebuilding(comparison.sides, self.send, 5.0, self.now)
        reconciling = Reconciling(comparison.sides, scene.connector, scene.limits, self.now)
        return PostgresWorkflows(
            scene.pool,
            scene.group,
            {
                "snapshot": lambda _, task: rebuilding.snapshot(task),
                "reconcile": lambda session, task: reconciling.turn(
                    task, PostgresKeys(session, task.workflow, task.step)
                ),
                "sweep": lambda session, task: swept(comparison, session, task),
            },
        )

    def start(self) -> int:
        """A rebuilding."""
        desk = self.scene.desk()
        try:
            return desk.start("rebuild", {"table": self.scene.table}, NOTE)
        finally:
            desk.close()

    def taken(self, number: int) -> Workflow:
        """To its end, each turn by a process that knows nothing of the last."""
        for _ in range(90):
            self.scene.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
            turned = self.workflows().turn(number)
            if turned is None or turned.state not in (State.PLANNED, State.RUNNING):
                break
        return self.scene.taken(number)

    def sent(self) -> None:
        """All rows arrive, as an incremental snapshot has them."""
        self.scene.do("""INSERT INTO {t} SELECT id, word FROM {s}
            ON CONFLICT (id) DO UPDATE SET word = excluded.word""")


@pytest.fixture
def the(session: psycopg.Connection, server: str, pools: Pools, group: str, schema: str) -> Iterator[Rebuilt]:
    """A table of which rows are missing, other, and too many."""
    session.execute(f"CREATE SCHEMA {schema}_source".encode())
    scene = Scene(session, server, pools(), group, f"{schema}_source", schema)
    scene.make(KEYS, KEYS + ", gone boolean")
    scene.do("INSERT INTO {s} SELECT n, 'w' || n FROM generate_series(1, 500) n")
    scene.do("INSERT INTO {t} SELECT n, 'x' || n FROM generate_series(100, 600) n")
    made = Rebuilt(scene)
    made.on_send = made.sent
    yield made
    scene.close()


def test_a_table_is_equal_to_its_source_afterwards(the: Rebuilt) -> None:
    """Whatever it was before; each turn is taken by another process."""
    done = the.taken(the.start())
    assert (done.state, done.differences, [step.verdict for step in done.steps]) == (
        "done", 0, ["done", "equal", "done", "equal"]
    )  # fmt: skip
    assert done.steps[2].progress == {"deleted": 100, "written_since": 0}
    left = "SELECT count(*), count(*) FILTER (WHERE word LIKE 'w%') FROM {}"
    assert the.scene.session.execute(left.format(the.scene.table).encode()).fetchone() == (500, 500)
    assert [table for table, _ in the.asked] == [f"{the.scene.theirs}.t"]


def test_a_list_says_the_same_of_it_in_short(the: Rebuilt) -> None:
    """While it goes on, and of its last comparison when that found something."""
    number, desk = the.start(), the.scene.desk()

    def damaged() -> None:
        the.sent()
        the.scene.do("UPDATE {t} SET word = 'other' WHERE id = 300")

    the.on_send = damaged
    for _ in range(90):
        the.scene.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
        turned = the.workflows().turn(number)
        (short,), whole = desk.workflows(1), desk.workflow(number)
        assert whole is not None
        assert short == whole.summary
        if turned is None or turned.state not in (State.PLANNED, State.RUNNING):
            break
    desk.close()
    assert (short.state, short.steps, short.done, short.differences) == ("done", 4, 4, 1)


def test_each_turn_asks_a_table_for_one_stretch_of_it_at_most(the: Rebuilt, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no turn takes as long as the table is; what is watched is known at the end of them, the last rows too."""
    asked, bound = [0], PostgresRows.bound

    def counted(*given: Any) -> Any:
        asked[-1] += 1
        return bound(*given)

    monkeypatch.setattr(PostgresRows, "bound", counted)
    number = the.start()
    while not the.asked:
        the.scene.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
        turned = the.workflows().turn(number)
        asked.append(0)
        assert turned is not None
    assert max(asked) == 1
    watched = sorted(int(key) for (key,), _ in turned.turn.progress["watched"])
    assert (len(watched), watched[-20:]) == (40, list(range(481, 501)))


def test_too_many_rows_are_no_dead_end(the: Rebuilt) -> None:
    """Who raises the bound goes on where it was."""
    the.scene.limits = replace(the.scene.limits, keys=50)
    number = the.start()
    stopped = the.taken(number)
    assert (stopped.state, "raise reconcile.max_keys and resume" in stopped.why) == ("stopped", True)
    the.scene.limits = replace(the.scene.limits, keys=1000)
    desk = the.scene.desk()
    assert desk.decide(number, Steer.RESUME, NOTE)
    desk.close()
    done = the.taken(number)
    assert (done.state, done.differences) == ("done", 0)


def test_rows_are_marked_where_deleted_ones_stay(the: Rebuilt) -> None:
    """As the settings say."""
    the.scene.rules = TableRules(deleted="gone")
    the.taken(the.start())
    query = f"SELECT count(*), count(*) FILTER (WHERE gone) FROM {the.scene.table}"
    assert the.scene.session.execute(query.encode()).fetchone() == (600, 100)


def compared(the: Rebuilt) -> int:
    """A rebuild of which the comparison is done, and the rest is not."""
    number = the.start()
    for _ in range(90):
        the.scene.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
        turned = the.workflows().turn(number)
        if turned is not None and turned.act == "reconcile" and turned.turn.outcome == "done":
            break
    return number


def test_a_table_that_got_another_mode_loses_no_rows(the: Rebuilt) -> None:
    """It is looked at once more before they are deleted."""
    number = compared(the)
    the.scene.rules = TableRules(not_rows="its mode is history")
    stopped = the.taken(number)
    assert (stopped.state, stopped.why) == ("stopped", "its mode is history")
    assert the.scene.session.execute(f"SELECT max(id) FROM {the.scene.table}".encode()).fetchone() == (600,)


def test_rows_that_are_slow_to_delete_take_several_turns(the: Rebuilt) -> None:
    """None may last so long that its worker counts as stalled."""
    slow = "BEGIN PERFORM pg_sleep(1.5); RETURN OLD; END"
    the.scene.do(f"CREATE FUNCTION {the.scene.theirs}.slow() RETURNS trigger LANGUAGE plpgsql AS '{slow}'")
    the.scene.do(
        f"CREATE TRIGGER slow BEFORE DELETE ON {{t}} FOR EACH ROW WHEN (OLD.id > 595) "
        f"EXECUTE FUNCTION {the.scene.theirs}.slow()"
    )
    number, deleted = the.start(), []
    for _ in range(90):
        the.scene.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
        turned = the.workflows().turn(number)
        assert turned is not None
        if turned.act == "sweep":
            deleted.append(turned.turn.progress["deleted"])
        if turned.turn.outcome == "done" and turned.act == "sweep":
            break
    assert (len(deleted), deleted[-1]) == (3, 100)
    assert 0 < deleted[0] < 100


def test_a_row_that_was_written_since_it_was_found_stays(the: Rebuilt) -> None:
    """It may be a new one of the source's."""
    number = compared(the)
    the.scene.do("UPDATE {t} SET word = 'again' WHERE id = 600")
    done = the.taken(number)
    assert done.steps[2].progress == {"deleted": 99, "written_since": 1}
    assert (done.differences, the.scene.found(done.steps[3])) == (1, {("600",): ("extra", ())})


def test_a_source_that_sends_nothing_is_given_up(the: Rebuilt) -> None:
    """Until a person resumes it; it is not asked a second time."""
    the.on_send = lambda: None
    number = the.start()
    stopped = the.taken(number)
    assert (stopped.state, "signal" in stopped.why) == ("stopped", True)
    desk = the.scene.desk()
    assert desk.decide(number, Steer.RESUME, NOTE)
    desk.close()
    the.sent()
    assert (the.taken(number).state, len(the.asked)) == ("done", 1)


def test_a_request_that_failed_is_made_again_under_its_name(the: Rebuilt) -> None:
    """So that the connector knows it."""

    def fails() -> None:
        the.on_send = the.sent
        raise Transient(failed(KINDS["kafka.letters"], "kafka", "ask source", "nobody answered"))

    the.on_send = fails
    number = the.start()
    with pytest.raises(Transient):
        the.taken(number)
    assert the.taken(number).state == "done"
    assert len(set(the.asked)) == 1
    assert len(the.asked) == 2
