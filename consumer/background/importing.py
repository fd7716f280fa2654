"""Dead letters of other consumers are read from their topics into the letters, on a thread of its own.

How far each topic was read stands beside the letters, so any worker goes on with it, and a kill neither doubles nor
loses one.
"""

from collections.abc import Mapping, Sequence

import structlog

from consumer.background.cadence import Cadence
from consumer.core.foreign import Piece, Recognise, Span, Stored
from consumer.core.records import TopicPartition
from consumer.ports.facts import Tell, untold
from consumer.ports.imports import DeadTopics, Imports

log = structlog.get_logger("headrace.letters")


class Importer:
    """Owns the reader of the topics. `turn` is called in a loop by one thread; mostly it does nothing.

    `wanted`: topics by name that have to be there.
    """

    LOOK_EVERY = 5.0
    AGAIN = 10.0
    # seconds for which a partition is ours
    CLAIM = 30.0
    # records at a time
    RECORDS = 500

    def __init__(self, topics: DeadTopics, imports: Imports, recognise: Recognise, wanted: Sequence[str] = ()) -> None:
        self._topics = topics
        self._imports = imports
        self._recognise = recognise
        self._wanted = frozenset(name for name in wanted if not name.startswith("^"))
        self._cadence = Cadence(log, "dead letters wait to be read", 0.0, self.AGAIN)
        self._missing: frozenset[str] = frozenset()
        self.tell: Tell = untold

    def turn(self, timeout: float) -> None:
        """Read the next piece, if it is time to and there is one; else wait."""
        self._cadence.turn(lambda: 0.0 if self.step(self.spans()) else self.LOOK_EVERY, timeout, self.tell)

    def spans(self) -> Mapping[TopicPartition, Span]:
        """What the topics' logs have. Raises HeadraceError."""
        spans = self._topics.spans()
        self._say_missing(frozenset(self._wanted - {at.topic for at in spans}))
        return spans

    def step(self, spans: Mapping[TopicPartition, Span]) -> Stored | None:
        """Read the next piece of what the logs have; None when nothing is left that nobody else reads.

        Raises HeadraceError.
        """
        due = self._imports.claim(spans, self.CLAIM)
        if due is None:
            return None
        found = self._topics.read(due.wanted, self.RECORDS)
        if found is None:
            # its log is looked at anew with the next step
            log.warning("dead letters have left their log before they were read", partition=str(due.wanted.at))
            return None
        records, end = found
        piece = Piece(
            at=due.wanted.at,
            topic_id=due.topic_id,
            start=due.wanted.start,
            end=end,
            records=tuple((dead, self._recognise(dead.record)) for dead in records),
        )
        stored = self._imports.store(piece)
        if stored is None:
            return Stored(at=piece.at, letters=0, known=0)
        if stored.letters:
            log.info(
                "dead letters imported", topic=piece.at.topic, partition=piece.at.partition, letters=stored.letters
            )
        return stored

    def close(self) -> None:
        """Close the reader; the rows know how far it came."""
        self._topics.close()

    def _say_missing(self, missing: frozenset[str]) -> None:
        for topic in sorted(missing - self._missing):
            log.warning("a dead-letter topic does not exist", topic=topic, remedy="Correct imports.topics, or make it.")
        self._missing = missing
