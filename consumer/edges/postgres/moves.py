"""What workflows do with positions: set in the transaction that also writes how far the workflow is, so each once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import psycopg
from psycopg import sql

from consumer.core.decision import EARLIEST, Decision, Held, Letters, LogNow, Undecidable, decide
from consumer.core.failure import Transient
from consumer.core.failure_kind import ErrorType
from consumer.core.history import OFFSET, PARTITION
from consumer.core.kinds import KINDS
from consumer.core.modes import Mode
from consumer.core.records import TopicPartition
from consumer.core.workflow import Outcome, Task, Turn
from consumer.edges.postgres import audit, decisions
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note
from consumer.ports.topics import Moments, log_now

_TABLES = "SELECT table_name FROM headrace.target_tables WHERE group_name = %s AND topic = %s ORDER BY 1"
_PLACES = """
SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attname = ANY (%s) AND NOT a.attisdropped
"""
_DELETE = sql.SQL("""
DELETE FROM {table} WHERE {partition} = %(partition)s AND {offset} >= %(first)s AND {offset} < %(end)s
""")
_BEYOND = sql.SQL("SELECT EXISTS (SELECT FROM {table} WHERE {partition} = %(partition)s AND {offset} >= %(end)s)")
# a letter whose table is not known is of one of these where its topic has no others
_LETTERS = f"""
SELECT id FROM headrace.letters
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s
  AND "offset" >= %(first)s AND "offset" < %(end)s AND state IN ({OPEN_STATES})
  AND (table_name = ANY (%(tables)s) OR table_name IS NULL AND NOT EXISTS (
      SELECT FROM headrace.target_tables t
      WHERE t.group_name = %(group)s AND t.topic = %(topic)s AND t.table_name <> ALL (%(tables)s)
  ))
ORDER BY id
"""
_LOOK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class PositionActs:
    """Acts of workflows. `appends`: the mode of a table that gets a row for each record, or each new one; else ""."""

    group: str
    offsets: Callable[[], Moments]
    appends: Callable[[str], str]
    discard: decisions.Discards

    def move(self, connection: psycopg.Connection, task: Task) -> Turn:
        """Set a position back to where the subject's `to` says: an offset, a time or earliest."""
        at = _at(task)
        try:
            if task.subject.get("anew") and (gone := self._gone(connection, task, at)):
                return gone
            # asked before the position is locked: batches wait for its lock
            to, log = self._offset(at, str(task.subject["to"])), log_now(self.offsets(), at)
            held = decisions.held(connection, self.group, at, lock=True)
            if held is None:
                return _stopped(f"the group has no position of {at}")
            if task.subject.get("anew") and held.topic_id is not None and log.topic_id == held.topic_id:
                # it is read from its start already, and would be once more
                return _stays(held)
            discards = _discards(task, held.topic_id, log.topic_id)
            decision = decide(to, held, log, self._letters(connection, at), discard_letters=discards)
            if decision.next_offset > held.next_offset and not decision.anew:
                # what is between was never applied
                return _stays(held)
            taken_back = self._taken_back(connection, at, held, decision)
        except Undecidable as why:
            return _stopped(str(why))
        self._carry_out(connection, task, at, decision)
        done = {"from": held.next_offset, "to": decision.next_offset, "taken_back": taken_back}
        return Turn(progress=done, outcome=Outcome.DONE)

    def _gone(self, connection: psycopg.Connection, task: Task, at: TopicPartition) -> Turn | None:
        """Keep no position of a partition that the topic made anew lacks; None of others. Raises Undecidable."""
        offsets = self.offsets()
        now, traits = offsets.topic_ids([at.topic]).get(at.topic), offsets.traits([at.topic]).get(at.topic)
        if traits is None or at.partition < traits.partitions:
            return None
        held = decisions.held(connection, self.group, at, lock=True)
        if held is None or None in (held.topic_id, now) or held.topic_id == now:
            return None
        log = LogNow(start=0, end=0, topic_id=now)
        discards = _discards(task, held.topic_id, now)
        decision = decide(EARLIEST, held, log, self._letters(connection, at), discard_letters=discards)
        self._carry_out(connection, task, at, decision)
        decisions.drop(connection, self.group, at)
        return Turn(progress={"from": held.next_offset, "gone": True}, outcome=Outcome.DONE)

    def erase(self, connection: psycopg.Connection, task: Task) -> Turn:
        """Delete what one batch has added to a history, a partition's part of it in each turn."""
        table, ranges = str(task.subject["table"]), task.subject["ranges"]
        place, rows = int(task.progress.get("place", 0)), int(task.progress.get("deleted", 0))
        topic, partition, first, end = ranges[place]
        try:
            _require_places(connection, table)
            at = TopicPartition(str(topic), int(partition))
            if held := decisions.held(connection, self.group, at, lock=False):
                _require_one_topic(held, table)
            with _in_time(connection):
                rows += _delete(connection, table, int(partition), int(first), int(end))
        except Undecidable as why:
            # the report is of all that was done
            return Turn(outcome=Outcome.STOPS, why=str(why), progress=task.progress)
        outcome = Outcome.DONE if place + 1 == len(ranges) else Outcome.GOES_ON
        return Turn(progress={"place": place + 1, "deleted": rows}, outcome=outcome)

    def skip(self, connection: psycopg.Connection, task: Task) -> Turn:
        """Pass a range of offsets once the position stands in it; what is in front of it is applied before."""
        at = _at(task)
        held = self._within(connection, task, lock=False)
        if isinstance(held, Turn):
            return held
        try:
            # asked before the position is locked: batches wait for its lock
            log = log_now(self.offsets(), at)
            held = self._within(connection, task, lock=True)
            if isinstance(held, Turn):
                return held
            decision = decide(str(task.subject["to"]), held, log, self._letters(connection, at))
        except Undecidable as why:
            return _stopped(str(why))
        self._carry_out(connection, task, at, decision)
        return Turn(progress={"from": held.next_offset, "to": decision.next_offset}, outcome=Outcome.DONE)

    def reach(self, connection: psycopg.Connection, task: Task) -> Turn:
        """Wait until all partitions of a topic have come to where their logs ended when the waiting began.

        One that is stopped and goes on by itself is waited for too.
        """
        topic = str(task.subject["topic"])
        partitions = self._awaited(connection, topic, task)
        goals = task.progress.get("goals")
        if goals is None:
            goals = {str(at.partition): end for at, end in self.offsets().ends(partitions).items()}
            return Turn(progress={"goals": goals}, wait=_LOOK_EVERY)
        positions, stopped = {}, {}
        for at in partitions:
            held = decisions.held(connection, self.group, at, lock=False)
            if held is None:
                return _stopped(f"the group has no position of {at}")
            if held.kind is not None and held.next_offset < goals[str(at.partition)]:
                if not _heals(held.kind):
                    return _stopped(f"{at} has stopped ({held.kind}): see headrace positions ls --stopped")
                stopped[str(at.partition)] = held.kind
            positions[str(at.partition)] = held.next_offset
        come = all(positions[number] >= goal for number, goal in goals.items())
        outcome = Outcome.DONE if come else Outcome.GOES_ON
        progress = {"goals": goals, "positions": positions, **({"stopped": stopped} if stopped else {})}
        return Turn(progress=progress, outcome=outcome, wait=_LOOK_EVERY)

    def _awaited(self, connection: psycopg.Connection, topic: str, task: Task) -> list[TopicPartition]:
        """The partitions that are waited for: those that had a position when that began, as far as it has."""
        if (goals := task.progress.get("goals")) is not None:
            return [TopicPartition(topic, int(number)) for number in goals]
        meant = [TopicPartition(topic, int(number)) for number in task.subject["partitions"]]
        # an adopted topic may have fewer than it had
        return [at for at in meant if decisions.held(connection, self.group, at, lock=False)]

    def _within(self, connection: psycopg.Connection, task: Task, *, lock: bool) -> Held | Turn:
        """The position, which stands in the range that is to be passed; else the turn that says so."""
        at, first, to = _at(task), int(task.subject["first"]), int(task.subject["to"])
        held = decisions.held(connection, self.group, at, lock=lock)
        if held is None:
            return _stopped(f"the group has no position of {at}")
        if held.next_offset >= to:
            return _stopped(f"{at} stands at {held.next_offset}: what was to be passed up to {to} is applied")
        if held.next_offset < first:
            return Turn(progress={"position": held.next_offset, "goal": first}, wait=_LOOK_EVERY)
        return held

    def _letters(self, connection: psycopg.Connection, at: TopicPartition) -> Letters:
        return partial(decisions.open_letters, connection, self.group, at)

    def _carry_out(self, connection: psycopg.Connection, task: Task, at: TopicPartition, decision: Decision) -> None:
        note = Note(task.actor, task.reason)
        _, letters = decisions.carry_out_whole(connection, (self.group, at), decision, self.discard, note)
        details = {"workflow": task.workflow, "to": decision.next_offset}
        audit.write(connection, self.group, "set position", details, note, audit.About(*at, letters))

    def _taken_back(self, connection: psycopg.Connection, at: TopicPartition, held: Held, decision: Decision) -> int:
        """Delete what histories have of records that are applied again; returns how many rows that are.

        Raises Undecidable where they would stand there twice, or where nothing tells them from others.
        """
        if decision.anew or decision.next_offset >= held.next_offset:
            return 0
        with translated("read tables"):
            tables = [row[0] for row in connection.execute(_TABLES, (self.group, at.topic))]
        histories = [table for table in tables if self.appends(table)]
        if not histories:
            return 0
        # all are asked before any loses a row: what is deleted stays so when this one stops
        for table in histories:
            if (mode := self.appends(table)) != Mode.HISTORY:
                raise Undecidable(f"{table} has the mode {mode}: what is applied again would stand there twice")
            _require_places(connection, table)
            _require_one_topic(held, table)
        first, end = decision.next_offset, held.next_offset
        with _in_time(connection):
            for table in histories:
                _require_nothing_beyond(connection, table, at.partition, end)
            self._give_up(connection, at, histories, (first, end))
            return sum(_delete(connection, table, at.partition, first, end) for table in histories)

    def _give_up(
        self, connection: psycopg.Connection, at: TopicPartition, histories: Sequence[str], offsets: tuple[int, int]
    ) -> None:
        """Letters of histories come back no more whose records are read again: each is appended then, or one anew."""
        first, end = offsets
        of = {"group": self.group, "topic": at.topic, "partition": at.partition}
        with translated("read letters"):
            values = {**of, "first": first, "end": end, "tables": list(histories)}
            rows = connection.execute(_LETTERS.encode(), values).fetchall()
        if rows:
            with translated("discard letters"):
                self.discard(connection, self.group, [row[0] for row in rows], "its record is applied again")

    def _offset(self, at: TopicPartition, to: str) -> str:
        """An offset, or earliest; a moment as the first offset of that time or later."""
        try:
            moment = datetime.fromisoformat(to) if not to.isdecimal() else None
        except ValueError:
            return to
        if moment is None:
            return to
        if moment.tzinfo is None:
            raise Undecidable(f"{to} has no time zone; write it as 2026-05-01T12:00:00Z")
        return str(self.offsets().since([at], moment.timestamp())[at])


def _require_places(connection: psycopg.Connection, table: str) -> None:
    """Raises Undecidable for a table that does not say of its rows which records they are of."""
    schema, _, name = table.partition(".")
    with translated("read catalog"):
        found = {row[0] for row in connection.execute(_PLACES, (schema, name, [PARTITION, OFFSET]))}
    if found != {PARTITION, OFFSET}:
        raise Undecidable(f"{table} has no columns {PARTITION} and {OFFSET}, which say what its rows are of")


def _require_one_topic(held: Held, table: str) -> None:
    """Raises Undecidable where a history has rows of another topic under the same offsets, since it can't tell them."""
    if held.anew_at is not None:
        since = held.anew_at.isoformat(timespec="seconds")
        raise Undecidable(f"the topic was made anew ({since}), and {table} may have rows of the one before")


def _require_nothing_beyond(connection: psycopg.Connection, table: str, partition: int, end: int) -> None:
    """Raises Undecidable where a history has rows of another topic, or of before the position was set back by hand."""
    with translated("look at a history"):
        ((beyond,),) = connection.execute(_of(_BEYOND, table), {"partition": partition, "end": end}).fetchall()
    if beyond:
        raise Undecidable(
            f"{table} has rows behind the position: of a topic that was deleted, or of before it was set back by hand. "
            "Delete those that come again, then resume"
        )


@contextmanager
def _in_time(connection: psycopg.Connection) -> Iterator[None]:
    """Around deletes, all of which happen or none. Raises Undecidable where they take longer than a statement may."""
    try:
        with connection.transaction():
            yield
    except Transient as error:
        if error.failure.kind != "target.timeout":
            raise
        detail = "deleting rows of a history takes longer than a statement may (target.batch_deadline)"
        raise Undecidable(f"{detail}: make an index over its {PARTITION} and {OFFSET}, then resume") from error


def _delete(connection: psycopg.Connection, table: str, partition: int, first: int, end: int) -> int:
    with translated("delete rows of a history"):
        values = {"partition": partition, "first": first, "end": end}
        return connection.execute(_of(_DELETE, table), values).rowcount


def _of(query: sql.SQL, table: str) -> sql.Composed:
    schema, _, name = table.partition(".")
    return query.format(
        table=sql.Identifier(schema, name), partition=sql.Identifier(PARTITION), offset=sql.Identifier(OFFSET)
    )


def _discards(task: Task, known: str | None, now: str | None) -> bool:
    """Whether letters go with the position: only with a topic that was made anew. `known`, `now`: its ids."""
    return bool(task.subject.get("discard_letters")) and None not in (known, now) and known != now


def _at(task: Task) -> TopicPartition:
    return TopicPartition(str(task.subject["topic"]), int(task.subject["partition"]))


def _stays(held: Held) -> Turn:
    return Turn(progress={"from": held.next_offset, "to": held.next_offset}, outcome=Outcome.DONE)


def _heals(kind: str) -> bool:
    """Whether what has stopped a partition may end without a person."""
    return kind != "table.paused" and kind in KINDS and KINDS[kind].type is ErrorType.TRANSIENT


def _stopped(why: str) -> Turn:
    return Turn(outcome=Outcome.STOPS, why=why)
