"""Implements `Desk` and `Movable` of `consumer.ports.desk`, on a session of a person's command."""

from collections.abc import Callable, Sequence
from functools import partial

from consumer.core.decision import Decision, Held, Letters
from consumer.core.failure import Persistent, failed
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.edges.postgres import audit, changes, decisions, journal
from consumer.edges.postgres.idle import IdleSessions
from consumer.edges.postgres.person import PersonSession
from consumer.edges.postgres.session import SessionSettings, transaction
from consumer.ports.desk import Approved, Batch, Born, Checkpoint, Deed, Moved, Note, Page, Position, SchemaChange


class PostgresDesk(PersonSession):
    """`discard` gives letters up."""

    def __init__(
        self, settings: SessionSettings, group: str, discard: decisions.Discards, idle: IdleSessions | None = None
    ) -> None:
        super().__init__(settings, group, idle)
        self._discard = discard

    def batches(self, page: Page) -> list[Batch]:
        return journal.batches(self._session(), self._group, page)

    def batch(self, number: int) -> Batch | None:
        return journal.batch(self._session(), self._group, number)

    def checkpoints(self, number: int) -> list[Checkpoint]:
        return journal.checkpoints(self._session(), self._group, number)

    def letters_of(self, number: int, most: int) -> list[Born]:
        return journal.letters_of(self._session(), self._group, number, most)

    def positions(self, topic: str | None, *, stopped: bool, most: int) -> list[Position]:
        return journal.positions(self._session(), self._group, topic, stopped=stopped, most=most)

    def held(self, at: TopicPartition) -> Held | None:
        return decisions.held(self._session(), self._group, at, lock=False)

    def open_letters(self, at: TopicPartition, first: int) -> int:
        return decisions.open_letters(self._session(), self._group, at, first)

    def move(self, at: TopicPartition, decide: Callable[[Held, Letters], Decision], note: Note) -> Moved:
        connection = self._session()
        with transaction(connection, "set position"):
            held = decisions.held(connection, self._group, at, lock=True)
            if held is None:
                raise Persistent(failed(KINDS["worker.defect"], "postgres", "set position", f"{at} has no position"))
            of = (self._group, at)
            decision = decide(held, partial(decisions.open_letters, connection, *of))
            epoch, letters = decisions.carry_out_whole(connection, of, decision, self._discard, note)
            moved = Moved(before=held, after=decision, epoch=epoch, discarded=len(letters))
            audit.write(connection, self._group, "set position", _details(moved), note, audit.About(*at, letters))
        return moved

    def schema_changes(self, table: str | None, *, waiting: bool, most: int) -> list[SchemaChange]:
        return changes.read(self._session(), self._group, table, waiting=waiting, most=most)

    def approve(self, numbers: Sequence[int], note: Note) -> Approved:
        connection = self._session()
        with transaction(connection, "approve schema changes"):
            approved = changes.approve(connection, self._group, numbers, note)
            topics = sorted({topic for _, topic in approved})
            partitions = decisions.stopped(connection, self._group, topics, "table.approval")
            woken = decisions.retry(connection, self._group, partitions, note)
        return Approved(changes=[number for number, _ in approved], partitions=woken)

    def retry(self, partitions: Sequence[TopicPartition], note: Note) -> list[TopicPartition]:
        return decisions.retry(self._session(), self._group, partitions, note)

    def deeds(self, *, actor: str | None, action: str | None, before: int | None, most: int) -> list[Deed]:
        return journal.deeds(self._session(), self._group, (actor, action), before=before, most=most)


def _details(moved: Moved) -> dict[str, object]:
    before, after = moved.before, moved.after
    return {
        "from": before.next_offset,
        "to": after.next_offset,
        "epoch": moved.epoch,
        "stopped": before.kind,
        "topic_id": {"from": before.topic_id, "to": after.topic_id},
        "discarded": moved.discarded,
    }
