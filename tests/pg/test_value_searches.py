"""Letters searched by what their records hold: a job over a bounded selection that survives whatever fails; what it
has found is a selection.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from consumer.cli import app
from consumer.core.decision import Undecidable
from consumer.core.failure import Transient, failed
from consumer.core.jobs import JobKind, next_step
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.records import RecordRef
from consumer.core.schema_ref import SchemaRef
from consumer.core.steering import Steer
from consumer.edges.postgres.jobs import PostgresJobs
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.value_searches import PostgresValueSearches
from consumer.ports.decoding import Found
from consumer.ports.desk import Note
from dlq.actions import discard, replay
from dlq.filter import condition
from dlq.jobs import decide, job, report
from dlq.letters import count, page
from dlq.masking import Mask
from dlq.payload import Sources
from dlq.preview import Fate, Rules, preview
from dlq.selection import Selection
from dlq.value_search import Wanted, create, judged
from tests.pg.conftest import Pools
from tests.pg.words import AWAY, CANARY, REGISTRY, Bad

SAID = Note("me@here", "ticket 1")


def nothing_there(ref: RecordRef, known: str | None) -> Record | None:
    """Records are kept with their letters."""
    return None


class Searching:
    """A group of letters and a worker's steps."""

    def __init__(self, session: psycopg.Connection, pool: TargetPool, group: str) -> None:
        self.session, self.pool, self.group = session, pool, group
        self.sources = Sources(registry=REGISTRY, fetch=nothing_there)
        # called before each letter is looked at
        self.before: Callable[[], None] = lambda: None
        # what keeps a letter from being read
        self.failing: Callable[[int], Transient | None] = lambda letter: None

    def start(self, *where: str, selection: Selection | None = None, most: int = 1000) -> int:
        """A search of letters."""
        conditions = tuple(map(condition, where))
        wanted = Wanted(selection=selection or Selection(), conditions=conditions, said=SAID, most=most)
        made = create(self.session, self.group, wanted)
        assert made is not None
        return made

    def step(self, most: int = 200) -> Any:
        """One step, of so many letters, of whichever search's turn it is."""

        def judge(connection: psycopg.Connection, group: str, stored: Any, letter: int) -> tuple[str, str]:
            self.before()
            if (error := self.failing(letter)) is not None:
                raise error
            return judged(connection, group, stored, letter, self.sources)

        return PostgresValueSearches(self.pool, self.group, judge, most).step(next_step)

    def found(self, *where: str, **how: Any) -> list[int]:
        """What a search finds, once it is at its end."""
        made = self.start(*where, **how)
        for _ in range(100):
            if self.step() is None:
                break
        done = job(self.session, self.group, made)
        assert done is not None
        assert (done.state, done.left) == ("done", 0)
        return sorted(letter.id for letter in page(self.session, self.group, Selection(found_by=(made,)), most=100))

    def ends(self, made: int) -> dict[str, int]:
        """How many letters of a search are what."""
        done = job(self.session, self.group, made)
        assert done is not None
        return done.counts


@pytest.fixture
def searching(session: psycopg.Connection, pools: Pools, group: str) -> Searching:
    """A group."""
    return Searching(session, pools(), group)


@pytest.mark.parametrize(
    ("where", "places"),
    [
        (["after.id > 1"], [1, 2]),
        (["after.id > 1", "after.word = b"], [1]),
        (["after.word is null"], [2]),
        (["after.word contains nary"], [0]),
        (["op = c"], [0, 1, 2]),
        (["op != c"], []),
        (["key.id < 2"], [0]),
        (["key.id = 3", "after.id = 3"], [2]),
        (["after.nowhere = 1"], []),
        (["before.id = 1"], []),
    ],
)
def test_letters_are_found_by_their_values(searching: Searching, bad: Bad, where: list[str], places: list[int]) -> None:
    """As they are shown; all conditions have to be so."""
    ids = [bad(number=1), bad(word="b", number=2), bad(word=None, number=3)]
    assert searching.found(*where) == [ids[place] for place in places]


def test_what_can_not_be_read_is_told_apart(searching: Searching, bad: Bad) -> None:
    """It is neither found nor not; a search of its key goes without its value."""
    good, cut = bad(), bad("x", number=2)
    made = searching.start("after.id > 0")
    searching.step()
    assert searching.ends(made) == {"met": 1, "unreadable": 1}
    (item,) = report(searching.session, searching.group, made, ["unreadable"])
    assert item.letter == cut
    assert item.why.startswith("its value: it does not decode")
    assert searching.found("key.id > 0") == [good, cut]
    searching.session.execute("DELETE FROM headrace.letter_bytes WHERE letter_id = %s", (good,))
    made = searching.start("op = c", selection=Selection(ids=(good,)))
    searching.step()
    assert searching.ends(made) == {"unreadable": 1}


def test_a_letter_that_can_not_be_read_yet_holds_no_other_up(searching: Searching, bad: Bad) -> None:
    """It is tried again behind the others, and after a while when there are no others; the search says why."""
    first, second = bad(), bad(number=2)
    made = searching.start("op = c")
    elsewhere, away = searching.start("op = c"), Transient(failed(KINDS["kafka.away"], "kafka", "fetch", "away"))
    failing = {second}
    searching.failing = lambda letter: away if letter in failing else None
    for _ in range(2):
        searching.step()
    assert [searching.ends(one) for one in (made, elsewhere)] == [{"met": 1, "unread": 1}] * 2
    with pytest.raises(Transient):
        searching.step()
    done = job(searching.session, searching.group, made)
    assert done is not None
    assert (done.state, done.why) == ("running", "away")
    failing.clear()
    while searching.step() is not None:
        pass
    assert [searching.ends(one) for one in (made, elsewhere)] == [{"met": 2}] * 2
    assert first != second


def test_masked_columns_are_not_compared(searching: Searching, bad: Bad) -> None:
    """Or whoever may not see a value could guess it."""
    letter = bad()
    searching.sources = Sources(registry=REGISTRY, fetch=nothing_there, mask=Mask(["*.word"]))
    for where in (f"after.word = {CANARY}", "after.word != x", "after.word contains a", "after.word is null"):
        assert searching.found(where) == []
    assert searching.found("after.id = 1") == [letter]


def test_a_search_is_bounded_by_its_selection_and_its_limit(searching: Searching, bad: Bad) -> None:
    """The last that failed come first; nothing is searched where nothing is meant."""
    first, second, third = (bad(number=number) for number in (1, 2, 3))
    assert searching.found("op = c", most=2) == [second, third]
    assert searching.found("op = c", selection=Selection(ids=(first, third))) == [first, third]
    none = Wanted(selection=Selection(states=("applied",)), conditions=(condition("op = c"),), said=SAID)
    assert create(searching.session, searching.group, none) is None
    assert searching.step() is None
    wrong: list[dict[str, Any]] = [{"most": 0}, {"most": 100_001}, {"conditions": ()}, {"said": Note("me", " ")}]
    for one in wrong:
        with pytest.raises(Undecidable):
            create(searching.session, searching.group, replace(none, **one))


def test_what_was_found_is_a_selection(searching: Searching, bad: Bad) -> None:
    """Listed, counted, searched again, and sent or given up as a job; in the search itself it is in no job."""
    ids = [bad(number=number) for number in (1, 2, 3)]
    made = searching.start("after.id > 1")
    searching.step()
    found = Selection(found_by=(made,))
    assert count(searching.session, searching.group, found) == 2
    assert count(searching.session, searching.group, Selection(found_by=(made,), states=("applied",))) == 0
    assert count(searching.session, "another group", found) == 0
    assert searching.found("after.id < 3", selection=found) == [ids[1]]
    looked = preview(searching.session, searching.group, found, Rules())
    assert dict(looked.counts) == {Fate.ELIGIBLE: 2}


def test_a_search_holds_no_letter_up(searching: Searching, bad: Bad) -> None:
    """A letter that is to be read is in no job, and jobs' steps leave searches alone."""
    bad()
    searching.start("op = c")
    looked = preview(searching.session, searching.group, Selection(), Rules())
    assert dict(looked.counts) == {Fate.ELIGIBLE: 1}
    acts: dict[JobKind, Any] = {
        JobKind.REPLAY: lambda session, group, part: replay(session, group, part.letters).changed,
        JobKind.DISCARD: lambda session, group, part: discard(session, group, part.letters, part.reason).changed,
    }
    assert PostgresJobs(searching.pool, searching.group, acts).step(next_step) is None


def test_a_search_goes_on_where_it_was(searching: Searching, bad: Bad) -> None:
    """Whatever fails: a step is looked at as a whole, or not at all."""
    for number in range(1, 5):
        bad(number=number)
    made = searching.start("op = c")
    searching.step(2)
    assert searching.ends(made) == {"met": 2, "unread": 2}
    seen = iter([False, True])

    def fail() -> None:
        if next(seen):
            raise Transient(failed(KINDS["target.connection"], "postgres", "read letters", "away"))

    searching.before = fail
    with pytest.raises(Transient):
        searching.step(2)
    assert searching.ends(made) == {"met": 2, "unread": 2}
    searching.before = lambda: None
    searching.step(2)
    assert searching.step(2).step.state == "done"
    assert searching.ends(made) == {"met": 4}


def test_a_registry_that_is_away_is_waited_for(searching: Searching, bad: Bad) -> None:
    """One that does not know a schema is not."""

    class Away:
        def name(self, ref: SchemaRef) -> str:
            return "away"

        def find(self, ref: SchemaRef) -> Found:
            raise Transient(failed(KINDS["registry.away"], "registry", "get schema", "away"))

    bad()
    away: Any = Away()
    searching.sources = Sources(registry=away, fetch=nothing_there)
    made = searching.start("op = c")
    with pytest.raises(Transient):
        searching.step()
    assert searching.ends(made) == {"unread": 1}
    searching.sources = Sources(registry=AWAY, fetch=nothing_there)
    searching.step()
    assert searching.ends(made) == {"unreadable": 1}


def test_people_pause_resume_and_cancel_it(searching: Searching, bad: Bad) -> None:
    """What was found stays found; what was not read is cancelled."""
    bad()
    made = searching.start("op = c")
    assert decide(searching.session, searching.group, made, Steer.PAUSE, SAID)
    assert searching.step() is None
    assert decide(searching.session, searching.group, made, Steer.RESUME, SAID)
    assert decide(searching.session, searching.group, made, Steer.CANCEL, SAID)
    assert searching.step() is None
    assert searching.ends(made) == {"cancelled": 1}


def test_what_is_compared_with_is_shown_nowhere(searching: Searching, bad: Bad) -> None:
    """It may be a row's value: it is in the job's conditions alone."""
    bad()
    made = searching.start(f"after.word = {CANARY}")
    searching.step()
    assert CANARY not in str(job(searching.session, searching.group, made))
    query = "SELECT action, reason, details FROM headrace.audit WHERE group_name = %s"
    ((action, reason, details),) = searching.session.execute(query, (searching.group,)).fetchall()
    assert (action, reason) == ("search payloads", "ticket 1")
    assert details["where"] == ["after.word ="]
    assert CANARY not in str(details)


def test_the_command_makes_a_search_and_takes_what_it_found(
    searching: Searching, bad: Bad, server: str, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a selection of lists, exports and jobs; mistakes are told."""
    for name, value in {
        "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA__TOPICS": '["t"]',
        "KAFKA__GROUP": group,
        "REGISTRY__URL": "http://127.0.0.1:1/words",
        "TARGET__DSN": server,
    }.items():
        monkeypatch.setenv(f"HEADRACE_{name}", value)
    bad(number=1)
    wanted = bad(number=2)

    def said(*words: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == code, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    json_words = ("--output", "json")
    (made,) = said("dlq", "search", "--where", "after.id > 1", "--kind", "record.check", "--reason", "r", *json_words)
    assert (made["letters"], made["counts"]) == (2, {"unread": 2})
    searching.step()
    searching.step()
    number = str(made["job"])
    (status,) = said("replay", "status", number, "--follow", *json_words)
    assert (status["kind"], status["state"], status["counts"]) == ("search", "done", {"met": 1, "unmet": 1})
    assert status["selection"]["where"] == ["after.id >"]
    (listed,) = said("dlq", "ls", "--job", number, *json_words)
    assert listed["id"] == wanted
    exported = CliRunner().invoke(app, ["dlq", "export", "--job", number])
    assert [json.loads(line)["id"] for line in exported.stdout.splitlines()] == [wanted]
    (looked,) = said("replay", "start", "--job", number, "--dry-run", *json_words)
    assert looked["goes"] == 1
    assert CliRunner().invoke(app, ["replay", "status", number]).exit_code == 0
    said("dlq", "search", "--where", "op = c", "--state", "applied", "--reason", "r", code=3)
    said("dlq", "search", "--where", "op = c", code=2)
    said("dlq", "search", "--where", "nonsense", "--reason", "r", code=2)


def test_a_search_whose_step_fails_keeps_no_other_from_going_on(searching: Searching, bad: Bad) -> None:
    """It says why."""
    ids = [bad(number=number) for number in (1, 2)]
    first = searching.start("op = c", selection=Selection(ids=(ids[0],)))
    second = searching.start("op = c", selection=Selection(ids=(ids[1],)))
    why = failed(KINDS["target.resources"], "postgres", "read letters", "no memory")
    searching.failing = lambda letter: Transient(why) if letter == ids[0] else None
    with pytest.raises(Transient):
        searching.step()
    assert searching.step().job == second
    stuck = job(searching.session, searching.group, first)
    assert stuck is not None
    assert "no memory" in stuck.why


def test_a_record_that_is_too_large_is_not_decoded(
    searching: Searching, bad: Bad, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As JSON it may take all the memory of its worker, which has other things to do."""
    bad()
    monkeypatch.setattr("dlq.value_search.LARGEST_SEARCHED", 1)
    made = searching.start("op = c")
    searching.step()
    (item,) = report(searching.session, searching.group, made)
    assert item.state == "unreadable"
    assert "too many to be searched" in item.why
