"""Whose turn it is among letters that came back: each row's from the oldest on. Rules without I/O.

Letters of different rows are nothing to one another. Of a row only the oldest open letter may be applied, and with it
those right behind it that have come back too, or wait for it; together they are applied in their order. A full image,
or a delete, leaves nothing of what was before, so that one of these may be applied in front of all: the older ones end
then. Not so a delete that keeps what its row has for its next key: it waits, and nothing passes it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from consumer.core.failure import Failure
from consumer.core.kinds import DEPENDENT
from consumer.core.letters import Row, Standing, State
from consumer.core.records import RecordRef, TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What tries have shown: letters that can't be applied, and rows of which only one letter is tried at a time.

    `whole`: those, by id, of the letters that had to wait which are full images or deletes, or of which that can't be
    said for now; `weighed`: which have been looked at.
    """

    failures: dict[RecordRef, Failure] = field(default_factory=dict)
    apart: set[Row] = field(default_factory=set)
    whole: set[int] = field(default_factory=set)
    weighed: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Blame:
    """Letters that are refused, and why. `named`: each of them is; else it is not known which of them.

    `whole`: with their table, whatever their rows are. `closer`: the next try says which of them. `binding`: how their
    topics are bound may be the reason.
    """

    failures: Mapping[RecordRef, Failure]
    named: bool = True
    whole: bool = False
    closer: bool = False
    binding: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Most letters that are applied together, and most bytes of those that have not come back themselves."""

    letters: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """What is tried; what failed; what came back and has to wait. In the order of the records within a row.

    `passing`: those that have to wait only as long as it is not known that they are whole. `superseded`: what ends
    where the tried ones are applied.
    """

    tried: Sequence[Standing]
    failed: Sequence[Standing]
    held: Sequence[Standing]
    passing: Sequence[Standing] = ()
    superseded: Sequence[Standing] = ()

    def bare(self) -> set[int]:
        """Those of the tried, by id, that keep nothing for their rows' next keys: what the superseded ones would have
        made of their rows is not in the table.
        """
        rows = {one.row for one in self.superseded}
        return {one.id for one in self.tried if one.keeps and one.row in rows}

    def several(self) -> set[Row]:
        """The rows of which several letters are tried."""
        counts = Counter(one.row for one in self.tried if one.row is not None)
        return {row for row, count in counts.items() if count > 1}


def learned(known: Known, now: Turns, blame: Blame, *, divisible: bool) -> bool:
    """Note what a try has shown; False when that is only that the letters have to be tried in parts.

    Of a row with several letters one may be at fault for another, so it is tried with one; so may rows that are refused
    for other rows' sake.
    """
    if blame.whole:
        known.failures.update(blame.failures)
        return True
    sure = blame.named and not any(why.kind in DEPENDENT for why in blame.failures.values())
    if not sure and len(now.tried) > 1:
        known.apart.update(() if divisible else now.several())
        return not divisible
    several = now.several()
    for letter in now.tried:
        if letter.ref in blame.failures and letter.row in several:
            known.apart.add(letter.row)
        elif letter.ref in blame.failures:
            known.failures[letter.ref] = blame.failures[letter.ref]
    return True


def turns(letters: Iterable[Standing], came: Collection[int], known: Known, room: Room) -> Turns:
    """What becomes of the letters that came back, by id; `letters` are these and all open ones of their rows."""
    found: dict[Row | int, list[Standing]] = defaultdict(list)
    for letter in letters:
        found[letter.id if letter.row is None else letter.row].append(letter)
    rows = {row: _ordered(own) for row, own in found.items()}
    tried: list[Standing] = []
    failed: dict[int, Standing] = {}
    superseded: list[Standing] = []
    count, size = room.letters - len(came), room.bytes
    for row, ordered in rows.items():
        front, refused = _front(ordered, came, known)
        superseded += ordered[:front]
        failed |= {letter.id: letter for letter in refused}
        for letter in _in_turn(ordered[front:], came):
            waited = letter.id not in came
            if waited:
                count, size = count - 1, size - letter.size
            if letter.ref in known.failures:
                failed[letter.id] = letter
                break
            if (waited and min(count, size) < 0) or (row in known.apart and tried and tried[-1].row == row):
                break
            tried.append(letter)
    gone = {letter.id for letter in (*tried, *failed.values(), *superseded)}
    held = [letter for own in rows.values() for letter in own if letter.id in came and letter.id not in gone]
    may = {own[place].id for own in rows.values() for place in _passing(own)}
    passing = [letter for letter in held if letter.id in may]
    return Turns(tried=tried, failed=list(failed.values()), held=held, passing=passing, superseded=superseded)


def _ordered(letters: Sequence[Standing]) -> list[Standing]:
    """The letters of one row as `OLDER` has them."""
    first: dict[TopicPartition, int] = {}
    for letter in letters:
        first[letter.ref.at] = min(letter.id, first.get(letter.ref.at, letter.id))
    return sorted(letters, key=lambda one: (first[one.ref.at], one.ref.offset))


def _front(ordered: Sequence[Standing], came: Collection[int], known: Known) -> tuple[int, list[Standing]]:
    """The place of the newest letter that may be applied whatever stands in front of it; else that of the oldest.

    With those behind it that might be applied so as well, but are known to fail.
    """
    whole = [(place, ordered[place]) for place in _passing(ordered) if ordered[place].id in came]
    whole = [(place, letter) for place, letter in whole if letter.id in known.whole]
    front = max((place for place, letter in whole if letter.ref not in known.failures), default=0)
    return front, [letter for place, letter in whole if place >= front and letter.ref in known.failures]


def _passing(ordered: Sequence[Standing]) -> Iterator[int]:
    """The places of the letters that may pass what stands in front of them if they are whole.

    None passes a letter that a person has paused, nor a delete that waits to keep something; that one passes only what
    nobody but a person brings further.
    """
    dead = True
    for place, letter in enumerate(ordered):
        if letter.paused is not None:
            return
        if dead or not letter.keeps:
            yield place
        if letter.keeps and letter.state is not State.DEAD:
            return
        dead = dead and letter.state is State.DEAD


def _in_turn(ordered: Sequence[Standing], came: Collection[int]) -> list[Standing]:
    """The letters of one row that may be applied one after the other, all of one partition."""
    chosen: list[Standing] = []
    for letter in ordered:
        # what is read at a letter's origin may be of another row by now, so nothing goes with it
        waits = letter.state is State.HELD and not any(one.pointer for one in (letter, *chosen))
        mine = letter.id in came or (chosen and waits)
        if not mine or (chosen and chosen[0].ref.at != letter.ref.at):
            break
        chosen.append(letter)
    return chosen
