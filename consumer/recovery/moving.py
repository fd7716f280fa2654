"""Deciding where a partition goes on: looked at first, then carried out if it is still the same."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from consumer.core.decision import Decision, Held, Letters, LogNow, Undecidable, decide
from consumer.core.records import TopicPartition
from consumer.ports.desk import Movable, Moved, Note
from consumer.ports.topics import Offsets, log_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Where a partition is to go on, as `consumer.core.decision.decide` has it."""

    at: TopicPartition
    to: str
    discard_letters: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a wish would do to a position as it is now."""

    wish: Wish
    held: Held
    log: LogNow
    decision: Decision

    @property
    def words(self) -> str:
        """What is done, as it is asked for."""
        held, to, at = self.held, self.decision.next_offset, self.wish.at
        way, given_up = to - held.next_offset, self.decision.letters
        letters = f", and give {given_up} letter{'s' if given_up > 1 else ''} up" if given_up else ""
        if self.decision.anew:
            return f"begin {at}, whose topic was made anew, at offset {to}{letters}"
        if way > 0:
            return f"pass offsets {held.next_offset} to {to - 1} of {at} without applying them{letters}"
        if way < 0:
            return f"apply offsets {to} to {held.next_offset - 1} of {at} again{letters}"
        return f"read {at} again from offset {to}, where it is{letters}"


class Positions(Protocol):
    """Stored positions as people set them. Raises HeadraceError, and Undecidable for what can't be done."""

    def look(self, wish: Wish) -> Looked | None:
        """What would be done; None when the partition has no position."""
        ...

    def move(self, looked: Looked, note: Note) -> Moved:
        """Do it. Raises Undecidable, and does nothing, when it would not be the same any more."""
        ...


@dataclass(frozen=True, slots=True)
class MovedPositions:
    """Implements `Positions` on a desk and on what Kafka has."""

    desk: Movable
    offsets: Callable[[], Offsets]

    def look(self, wish: Wish) -> Looked | None:
        held = self.desk.held(wish.at)
        if held is None:
            return None
        log = log_now(self.offsets(), wish.at)
        letters = partial(self.desk.open_letters, wish.at)
        decision = decide(wish.to, held, log, letters, discard_letters=wish.discard_letters)
        return Looked(wish=wish, held=held, log=log, decision=decision)

    def move(self, looked: Looked, note: Note) -> Moved:
        wish = looked.wish

        def again(held: Held, letters: Letters) -> Decision:
            found = decide(wish.to, held, looked.log, letters, discard_letters=wish.discard_letters)
            if found != looked.decision:
                raise Undecidable("the partition has moved or stopped elsewhere meanwhile; look again")
            return found

        return self.desk.move(wish.at, again, note)
