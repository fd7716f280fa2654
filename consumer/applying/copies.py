"""Copies of letters as they come back through the retry topics: which letter each is, and how far they go."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import structlog

from consumer.core.letterhead import Codec, Letterhead, NoLetter
from consumer.core.letters import Standing, State
from consumer.core.records import RecordRef, Slice, TopicPartition, no_headers

log = structlog.get_logger("headrace.letters")

Part = Sequence[Slice]
Heads = Mapping[RecordRef, Letterhead]


def heads_of(part: Part, codec: Codec) -> Heads:
    """What the copies say of themselves, by their places."""
    found = {}
    for piece in part:
        for index, offset in enumerate(piece.offsets):
            try:
                found[place(piece, index)] = codec.decode(piece.headers(offset))
            except NoLetter as error:
                log.warning(
                    "a record in a retry topic is no letter", topic=piece.at.topic, offset=offset, reason=str(error)
                )
    return found


def count(part: Part) -> int:
    """How many copies there are."""
    return sum(map(len, part))


def place(piece: Slice, index: int) -> RecordRef:
    """That of a copy."""
    return RecordRef(piece.at, piece.offsets[index])


def counting(letters: Sequence[Standing], heads: Heads) -> dict[RecordRef, Standing]:
    """The letters that have come back, by their origins: a copy of another attempt means nothing.

    One that is searched for comes again when the search has ended.
    """
    said = {(head.origin, head.attempt) for head in heads.values()}
    states = (State.RETRYING, State.REPLAYING)
    return {
        letter.ref: letter
        for letter in letters
        if (letter.ref, letter.attempt) in said and letter.state in states and not letter.searching
    }


def not_due(heads: Heads, came: Mapping[RecordRef, Standing]) -> dict[RecordRef, float]:
    """The copies whose letters are not due, and in how many seconds they are."""
    found = {place: came.get(head.origin) for place, head in heads.items()}
    return {
        place: letter.due
        for place, letter in found.items()
        if letter is not None and letter.due > 0 and letter.attempt == heads[place].attempt
    }


def fitting(part: Part, heads: Heads, came: Mapping[RecordRef, Standing], size: int) -> int:
    """How many of the first copies have letters of at most so many bytes; one at least."""
    places = [place(piece, index) for piece in part for index in range(len(piece))]
    for number, at in enumerate(places):
        letter = came.get(heads[at].origin) if at in heads else None
        size -= letter.size if letter else 0
        if size < 0 and number:
            return number
    return len(places)


def divided(part: Part, early: Mapping[RecordRef, float]) -> tuple[list[Slice], list[Slice]]:
    """What stands in front of the first copies that are not due, and what begins with them."""
    front: list[Slice] = []
    rest: list[Slice] = []
    for piece in part:
        index = next((index for index in range(len(piece)) if place(piece, index) in early), len(piece))
        if index or not len(piece):
            front.append(piece.head(index))
        if index < len(piece):
            rest.append(piece.tail(index))
    return front, rest


def left(slices: Part, undone: Part, waits: Collection[TopicPartition]) -> tuple[Slice, ...]:
    """What is left of slices, when these parts of them are not done."""
    starts: dict[TopicPartition, int] = {}
    for piece in undone:
        starts.setdefault(piece.at, piece.start)
    return tuple(
        piece.tail(sum(offset < starts[piece.at] for offset in piece.offsets))
        for piece in slices
        if piece.at in starts and piece.at not in waits
    )


def passed(part: Part) -> tuple[Slice, ...]:
    """The copies' partitions, moved over them."""
    return tuple(replace(piece, offsets=(), keys=(), values=(), headers=no_headers, size=0) for piece in part)


def stayed(part: Part) -> tuple[Slice, ...]:
    """The copies' partitions, where they are."""
    return tuple(replace(piece, end=piece.start) for piece in passed(part))
