"""Dead letters of other consumers, read when a person says so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from psycopg import Connection

from consumer.background.importing import Importer
from consumer.core.foreign import Span, Stored
from consumer.core.records import TopicPartition
from consumer.edges.postgres import audit
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import transaction
from consumer.ports.desk import Note
from consumer.ports.imports import Far, Imports


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A partition of a dead-letter topic: records that are not read, and what came of those that are.

    `known`: those that were open letters already; `lost`: offsets that its log had let go of before.
    """

    topic: str
    partition: int
    next_offset: int
    left: int
    letters: int
    known: int
    lost: int


@dataclass(frozen=True, slots=True)
class ImportDesk:
    """Raises HeadraceError."""

    pool: TargetPool
    group: str
    importer: Importer
    imports: Imports

    def spans(self) -> Mapping[TopicPartition, Span]:
        """What the topics have now."""
        return self.importer.spans()

    def left(self, spans: Mapping[TopicPartition, Span]) -> list[Left]:
        """How far each partition was read."""
        far = {one.at: one for one in self.imports.far()}
        return [_left(at, span, far.get(at)) for at, span in sorted(spans.items())]

    def read(self, spans: Mapping[TopicPartition, Span], said: Note) -> Iterator[Stored]:
        """Read what the topics have, piece by piece. Who did it, and why, is written down first."""
        details: dict[str, object] = {"topics": sorted({at.topic for at in spans})}

        def noted(connection: Connection) -> None:
            with transaction(connection, "note import"):
                audit.write(connection, self.group, "import letters", details, said)

        self.pool.ask(noted)
        while stored := self.importer.step(spans):
            yield stored


def _left(at: TopicPartition, span: Span, far: Far | None) -> Left:
    place = span.start if far is None else max(far.next_offset, span.start)
    return Left(
        topic=at.topic,
        partition=at.partition,
        next_offset=place,
        left=max(0, span.end - place),
        letters=far.letters if far else 0,
        known=far.known if far else 0,
        lost=far.lost if far else 0,
    )
