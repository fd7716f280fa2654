"""The ports of commands over the API: what is true of the database's desks is true of the remote ones."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fastapi import FastAPI

from consumer.core.decision import Undecidable
from consumer.core.failure import Transient, failed
from consumer.core.flags import Flag
from consumer.core.jobs import JobKind
from consumer.core.kinds import KINDS
from consumer.core.lag import Going
from consumer.core.pausing import Subject
from consumer.core.plans import MOST_TABLES
from consumer.core.records import TopicPartition
from consumer.core.roles import Role
from consumer.core.steering import Steer
from consumer.inspection.connecting import ConnectDesk
from consumer.inspection.lagging import Asked, Lags, LookedLags
from consumer.ports.control import Control
from consumer.ports.desk import Desk, Note, Page
from consumer.ports.recovering import Recoveries, Repairs
from consumer.recovery.moving import Positions, Wish
from consumer.remote.client import Client
from consumer.remote.ledger import RemoteDesk, RemotePositions
from consumer.remote.letters import RemoteJobs, RemoteLetters, RemoteSource
from consumer.remote.pipeline import RemoteConnect, RemoteControl, RemoteLags
from consumer.remote.recoveries import RemoteRecoveries, RemoteRepairs
from consumer.remote.server import Server
from dlq.filter import condition
from dlq.jobs import Order
from dlq.ports import LetterJobs, Letters, SourceQuestions
from dlq.selection import Selection
from dlq.value_search import Wanted
from tests.admin.conftest import secret
from tests.admin.scene import CANARY, Shop
from tests.admin.serving import served
from tests.pg.words import behind

NOTE = Note("me", "ticket 1")
PATCH = [{"op": "replace", "path": "/after/status", "value": "paid"}]


@dataclass(frozen=True)
class Side:
    """All ports, here or there."""

    desk: Desk
    positions: Positions
    control: Control
    connect: ConnectDesk
    lags: Lags
    letters: Letters
    jobs: LetterJobs
    source: SourceQuestions
    recoveries: Recoveries
    repairs: Repairs


def here(shop: Shop, opened: ExitStack) -> Side:
    """On the database."""
    doors = shop.doors
    enter: Callable[[Any], Any] = opened.enter_context
    connect = enter(doors.connectors())
    asked = Asked(offsets=doors.offsets, ages=doors.ages, lane=doors.lane, connectors=connect.all)
    return Side(
        desk=enter(doors.desk()),
        positions=enter(doors.positions()),
        control=enter(doors.control()),
        connect=connect,
        lags=LookedLags(enter(doors.survey()), asked),
        letters=enter(doors.letters()),
        jobs=enter(doors.jobs()),
        source=enter(doors.source()),
        recoveries=enter(doors.recoveries()),
        repairs=enter(doors.repairs()),
    )


def there(guarded: FastAPI, opened: ExitStack) -> Side:
    """Over the API, with an operator's token."""
    address = opened.enter_context(served(guarded))
    client = Client(Server(url=address, token=secret(Role.OPERATOR)))
    opened.callback(client.close)
    return Side(
        desk=RemoteDesk(client),
        positions=RemotePositions(client),
        control=RemoteControl(client),
        connect=RemoteConnect(client),
        lags=RemoteLags(client),
        letters=RemoteLetters(client),
        jobs=RemoteJobs(client),
        source=RemoteSource(client),
        recoveries=RemoteRecoveries(client),
        repairs=RemoteRepairs(client),
    )


@contextmanager
def raising(error: Exception) -> Iterator[Any]:
    """A door that does not open."""
    raise error
    yield


@pytest.fixture(params=["here", "there"])
def side(request: pytest.FixtureRequest, shop: Shop, guarded: FastAPI) -> Iterator[Side]:
    """One after the other."""
    with ExitStack() as opened:
        yield here(shop, opened) if request.param == "here" else there(guarded, opened)


def test_letters_are_found_shown_edited_sent_and_given_up(shop: Shop, side: Side) -> None:
    """Each with what there is of it; a dry run does nothing."""
    letters = [shop.bad(number, note=CANARY) for number in (2, 3)]
    dead = Selection(states=("dead",), topics=(shop.line.at.topic,), text="checks")
    (group,) = side.letters.groups(dead, 10)
    assert (group.kind, group.states) == ("record.checks", {"dead": 2})
    first = side.letters.page(dead, 1)
    assert [letter.id for letter in first + side.letters.page(dead, 5, first[0].place)] == letters[::-1]
    whole = side.letters.whole(letters[0])
    assert whole is not None
    assert (whole.letter.state, whole.placed, side.letters.whole(99_999_999)) == ("dead", True, None)
    held = side.letters.payload(letters[0], NOTE)
    assert held is not None
    assert held.value.values["after"]["note"] == CANARY
    assert side.letters.payload(letters[0], NOTE, original=True) == held
    weighed = side.letters.difference(letters[0], NOTE)
    assert weighed is not None
    assert weighed.refused is not None
    assert weighed.refused.field == "after.status"
    assert side.letters.editable(letters[0], NOTE)["id"] == 2
    assert side.letters.schema_words(letters[0]) == []
    assert side.letters.edit(letters[0], PATCH, NOTE, dry_run=True) == ("status",)
    assert side.letters.edit(letters[0], PATCH, NOTE) == ("status",)
    tried = side.letters.replay(letters, NOTE, dry_run=True)
    assert (tried.changed, shop.state(letters[0])) == (tuple(letters), "dead")
    assert side.letters.replay(letters[:1], NOTE).changed == (letters[0],)
    done = side.letters.discard([letters[1]], NOTE)
    assert (done.changed, shop.state(letters[1])) == ((letters[1],), "discarded")
    assert side.letters.discard([letters[1]], NOTE).left == (letters[1],)


def test_no_more_letters_are_given_up_than_were_agreed_to(shop: Shop, side: Side) -> None:
    """What came behind one since goes with it, so nothing goes; nor does less than that."""
    letter = shop.bad(2)
    many = len(side.letters.discard([letter], NOTE, dry_run=True).changed)
    later = behind(shop.session, letter)
    for other in (many, 3):
        with pytest.raises(Undecidable, match=f"2 letters would be given up, not {other}; look again"):
            side.letters.discard([letter], NOTE, expect=other)
    assert (shop.state(letter), shop.state(later), shop.audit()) == ("dead", "held", [])
    assert side.letters.discard([letter], NOTE, expect=2).changed == (letter, later)


def test_an_edit_that_does_not_fit_is_refused(shop: Shop, side: Side) -> None:
    """With exit code 4, as both say: it is refused as things stand."""
    from dlq.edit import NotEdited

    letter = shop.bad(2)
    with pytest.raises((Undecidable, NotEdited)):
        side.letters.edit(letter, [{"op": "replace", "path": "/after/no", "value": 1}], NOTE)


@pytest.mark.parametrize("payloads", [False, True])
def test_letters_are_exported_one_by_one(shop: Shop, side: Side, payloads: bool) -> None:
    """With what they hold if that is wanted."""
    letters = [shop.bad(number, note=CANARY) for number in (2, 3)]
    with side.letters.export(Selection(ids=tuple(letters)), NOTE, payloads=payloads) as found:
        rows = [each.row() for each in found]
    assert [row["id"] for row in rows] == letters
    assert [CANARY in str(row.get("payload")) for row in rows] == [payloads] * 2
    with side.letters.export(Selection(ids=(99_999_999,)), NOTE, payloads=payloads) as found:
        assert list(found) == []


def test_workflows_are_looked_at_begun_and_decided_about(side: Side) -> None:
    """Refused when they can't be."""
    (table,) = side.recoveries.tables()
    rebuild = {"table": table}
    acts = [step.act for step in side.recoveries.planned("rebuild", rebuild)]
    number = side.recoveries.start("rebuild", rebuild, NOTE)
    found = side.recoveries.workflow(number)
    assert found is not None
    assert ([step.act for step in found.steps], found.reason, found.state) == (acts, NOTE.reason, "planned")
    assert side.recoveries.decide(number, Steer.PAUSE, NOTE)
    assert side.recoveries.decide(number, Steer.RESUME, NOTE)
    assert side.recoveries.decide(number, Steer.CANCEL, NOTE)
    assert [(one.id, one.state) for one in side.recoveries.workflows(5, "rebuild")] == [(number, "cancelled")]
    with pytest.raises(Undecidable):
        side.recoveries.decide(number, Steer.RESUME, NOTE)
    with pytest.raises(Undecidable):
        side.recoveries.start("rebuild", {"table": "no.body"}, NOTE)
    assert (side.recoveries.workflow(99_999), side.recoveries.decide(99_999, Steer.PAUSE, NOTE)) == (None, False)
    assert side.recoveries.keys(number, NOTE, verdicts=["missing"]) == []
    assert side.recoveries.rows(number, NOTE) == []
    assert side.repairs.look(number).keys == 0
    with pytest.raises(Undecidable):
        side.repairs.ask(number, 7, NOTE)


def test_a_comparison_has_as_many_tables_as_may_be_named(side: Side, shop: Shop) -> None:
    """The same number whatever it is asked through."""
    tables = [f"public.many_{number}" for number in range(MOST_TABLES)]
    shop.session.execute(
        "INSERT INTO headrace.target_tables SELECT %s, t, t FROM unnest(%s::text[]) AS t", (shop.group, tables)
    )
    number = side.recoveries.start("reconcile", {"tables": tables}, NOTE)
    found = side.recoveries.workflow(number)
    assert found is not None
    assert len(found.steps) == MOST_TABLES


def test_jobs_are_looked_at_made_decided_about_and_reported(shop: Shop, side: Side) -> None:
    """Refused when others go than expected."""
    letters = [shop.bad(number) for number in (2, 3)]
    chosen = Selection(ids=tuple(letters))
    rules = side.jobs.ruled(JobKind.REPLAY)
    found = side.jobs.preview(chosen, rules)
    assert (found.goes, found.meant, [len(some) for some in found.samples.values()]) == (2, 2, [2])
    with pytest.raises(Undecidable, match="2 letters now, not 1"):
        side.jobs.create(Order(selection=chosen, rules=rules, expect=1, said=NOTE))
    job = side.jobs.create(Order(selection=chosen, rules=rules, expect=2, said=NOTE, rate=7, canary=1))
    made = side.jobs.job(job)
    assert made is not None
    assert (made.rate, made.canary, made.left, [each.id for each in side.jobs.jobs(1)]) == (7, 1, 2, [job])
    assert side.jobs.decide(job, Steer.PAUSE, NOTE)
    with pytest.raises(Undecidable):
        side.jobs.decide(job, Steer.PAUSE, NOTE)
    assert side.jobs.decide(job, Steer.RESUME, NOTE)
    assert side.jobs.decide(job, Steer.CANCEL, NOTE)
    assert [(item.letter, item.state) for item in side.jobs.report(job)] == [(n, "cancelled") for n in letters]
    assert list(side.jobs.report(job, ["sent"])) == []
    assert (side.jobs.job(99_999_999), side.jobs.decide(99_999_999, Steer.PAUSE, NOTE)) == (None, False)


def test_letters_are_searched_by_what_they_hold(shop: Shop, side: Side) -> None:
    """By a job; what it has found is a selection of every command."""
    letters = [shop.bad(number) for number in (2, 3)]
    wanted = Wanted(selection=Selection(ids=tuple(letters)), conditions=(condition("after.id > 2"),), said=NOTE, most=5)
    job = side.jobs.search(wanted)
    assert job is not None
    made = side.jobs.job(job)
    assert made is not None
    assert (made.kind, made.items, made.counts) == ("search", 2, {"unread": 2})
    found = Selection(found_by=(job,))
    assert side.letters.page(found, 5) == []
    query = "UPDATE headrace.job_items SET state = 'met' WHERE job_id = %s AND letter_id = %s"
    shop.session.execute(query, (job, letters[1]))
    assert [letter.id for letter in side.letters.page(found, 5)] == letters[1:]
    assert side.jobs.preview(found, side.jobs.ruled(JobKind.REPLAY)).goes == 1
    assert side.jobs.search(replace(wanted, selection=Selection(ids=(99_999_999,)))) is None


def test_batches_plans_and_the_audit_are_read_and_agreed_to(shop: Shop, side: Side) -> None:
    """As they are in the ledger."""
    batch, change = shop.failed_batch(), shop.plan()
    shop.stop()
    (failed,) = side.desk.batches(Page(state="failed", topic=shop.line.at.topic, most=5))
    assert (failed.id, failed.seconds is not None, side.desk.batch(batch)) == (batch, True, failed)
    assert (side.desk.batch(99_999_999), side.desk.checkpoints(99_999_999)) == (None, [])
    (part,) = side.desk.checkpoints(batch)
    assert (part.topic, part.passed, side.desk.letters_of(batch, 5)) == (shop.line.at.topic, False, [])
    (waiting,) = side.desk.schema_changes(None, waiting=True, most=5)
    assert (waiting.id, waiting.state) == (change, "planned")
    done = side.desk.approve([change], NOTE)
    assert (done.changes, done.partitions) == ([change], [shop.line.at])
    shop.stop()
    (stopped,) = side.desk.positions(None, stopped=True, most=5)
    assert stopped.at == shop.line.at
    assert side.desk.retry([shop.line.at], NOTE) == [shop.line.at]
    (deed, *_) = side.desk.deeds(actor=None, action="retry", before=None, most=1) or [None]
    assert deed is None or deed.reason == "ticket 1"


def test_a_position_is_looked_at_and_moved(shop: Shop, side: Side) -> None:
    """What was shown is what is done, or nothing."""
    at, end = shop.line.at, shop.line.next_offset
    shop.logs.reach[at] = end + 5
    looked = side.positions.look(Wish(at=at, to="latest"))
    assert looked is not None
    assert (looked.decision.next_offset, looked.log.end, looked.held.next_offset) == (end + 5, end + 5, end)
    shop.logs.reach[at] = end + 6
    moved = side.positions.move(looked, NOTE) if not isinstance(side.positions, RemotePositions) else None
    if moved is None:
        with pytest.raises(Undecidable, match="look again"):
            side.positions.move(looked, NOTE)
        shop.logs.reach[at] = end + 5
        moved = side.positions.move(looked, NOTE)
    assert (moved.before.next_offset, moved.after.next_offset) == (end, end + 5)
    assert side.positions.look(Wish(at=TopicPartition("none", 0), to="latest")) is None
    with pytest.raises(Undecidable, match="not stopped in front of a record"):
        side.positions.look(Wish(at=at, to="skip"))


def test_tables_are_paused_and_workers_told(shop: Shop, side: Side) -> None:
    """What is known of each goes with it."""
    table = Subject(table=f"{shop.schema}.orders")
    assert side.control.pause(Subject(table="no.such"), NOTE) is None
    assert side.control.resume(table, NOTE) is None
    done = side.control.pause(table, NOTE)
    assert done is not None
    assert (done.changed, done.partitions, done.pause.of) == (True, [shop.line.at], table)
    again = side.control.pause(table, NOTE)
    assert again is not None
    assert not again.changed
    assert [pause.of for pause in side.control.pauses()] == [table]
    (state,) = side.control.tables()
    assert (state.table, state.going, [part.at for part in state.parts]) == (table.table, Going.PAUSED, [shop.line.at])
    resumed = side.control.resume(table, NOTE)
    assert resumed is not None
    assert resumed.partitions == [shop.line.at]
    shop.worker(away=True)
    (worker,) = side.control.workers()
    assert (worker.name, worker.gone, [breaker["state"] for breaker in worker.breakers]) == (
        "worker-1", False, ["closed", "open"]
    )  # fmt: skip
    commands = side.control.tell("reset breaker", "registry", ["worker-1"], NOTE)
    commands += side.control.tell("drain", "", ["worker-1"], NOTE)
    told = side.control.told(commands)
    assert sorted((one.action, one.subject, one.outcome) for one in told) == [
        ("drain", "", None), ("reset breaker", "registry", None)
    ]  # fmt: skip


def test_lag_and_connectors_are_told(shop: Shop, side: Side, guarded: FastAPI) -> None:
    """With why nothing comes."""
    shop.logs.reach[shop.line.at] = shop.line.next_offset + 7
    guarded.state.watch.look()
    seen = side.lags.look(shop.line.at.topic)
    assert seen is not None
    assert [(lag.at, lag.records) for lag in seen.lags] == [(shop.line.at, 7)]
    assert side.lags.look("none") is None
    found = side.connect.all()
    assert found is not None
    assert [(one.name, one.condition, one.topics) for one in found] == [
        ("billing-source", "failed", frozenset({"billing"})), ("shop-source", "running", frozenset())
    ]  # fmt: skip
    assert side.connect.restart("billing-source", 0, NOTE)
    assert not side.connect.restart("none", None, NOTE)
    assert shop.connect.asked == ["billing-source", "none"]


def test_what_a_server_could_not_look_at_is_told(shop: Shop, side: Side, guarded: FastAPI) -> None:
    """Kafka Connect that is away is none without connectors; an old look says since when nobody could look."""
    away = failed(KINDS["connect.away"], "connect", "list", "it did not answer")
    shop.connect.away = Transient(away)
    guarded.state.watch.look()
    with pytest.raises(Transient) as caught:
        side.connect.all()
    assert caught.value.failure == away
    seen = side.lags.look(None)
    assert seen is not None
    assert (seen.connect, seen.missed) == (away, None)


def test_a_server_whose_database_is_away_says_so_of_its_last_look(shop: Shop, guarded: FastAPI) -> None:
    """Of lag and connectors, which it goes on telling; while it has looked at nothing, there is nothing to tell."""
    gone = Transient(failed(KINDS["target.connection"], "desk", "open", "no answer"))
    watch, doors = guarded.state.watch, guarded.state.doors
    with ExitStack() as opened:
        side = there(guarded, opened)
        watch.close()
        watch.look()
        watch._doors = replace(doors, survey=lambda: raising(gone))
        watch.look()
        seen = side.lags.look(None)
        assert seen is not None
        assert (seen.missed, len(seen.lags)) == (gone.failure, 1)
        with pytest.raises(Transient) as caught:
            side.connect.all()
        assert caught.value.failure == gone.failure
        watch.last = None
        with pytest.raises(Transient) as caught:
            side.lags.look(None)
        assert caught.value.failure == gone.failure


def test_connectors_are_not_told_while_nobody_watches_them(shop: Shop, guarded: FastAPI) -> None:
    """That is no Kafka Connect without connectors."""
    with ExitStack() as opened:
        side = there(guarded, opened)
        assert side.control.set_flag(Flag.CONNECT_WATCH, False, NOTE)
        guarded.state.watch.look()
        with pytest.raises(Undecidable, match="connect-watch is off"):
            side.connect.all()


def test_the_source_is_asked(shop: Shop, side: Side) -> None:
    """For the rows that were shown."""
    chosen = Selection(ids=(shop.bad(2),))
    assert side.source.look(chosen).keys == 1
    with pytest.raises(Undecidable, match="1 rows would be asked for, not 2"):
        side.source.ask(chosen, 2, NOTE)
    assert side.source.ask(chosen, 1, NOTE).letters == chosen.ids
    assert len(shop.signals) == 1
