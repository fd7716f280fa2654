"""A letter that a unique value keeps out, tried together with others of its table that such a value keeps out too.

Rows that swap values can't be written one after the other. Their letters come back each by itself, maybe to different
workers, so whichever is back takes the others along.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate

from consumer.core.letters import Standing, State
from consumer.core.turns import Blame, Known, Room, Turns, turns

_COMING = frozenset({State.RETRYING, State.REPLAYING})
Attempt = Callable[[Turns], Blame | None]


def swapped(letter: Standing, letters: Sequence[Standing], room: Room, attempt: Attempt) -> bool:
    """Whether a letter was applied with others. `letters`: itself, those that may have to do with it, and all open ones
    of their rows. `attempt`: applies what is tried, or says whom it is blamed on.

    All that waits for them is tried with them, since what the source has in the end is free of conflicts; then the
    oldest of each row. Those that are refused all the same are what they were before.
    """
    rows = {one.row for one in letters if one.row is not None}
    return any(_applied(letter, letters, room, attempt, Known(apart=apart)) for apart in (set(), rows))


def _applied(letter: Standing, letters: Sequence[Standing], room: Room, attempt: Attempt, known: Known) -> bool:
    mine = _near(letter, letters, room)
    closer = False
    while True:
        now = turns(letters, {one.id for one in mine}, known, room)
        rows = {one.ref: one.row for one in now.tried}
        if letter.ref not in rows or len({*rows.values()}) < 2:
            return False
        blame = attempt(now)
        if blame is None:
            return True
        if blame.closer and not closer:
            closer = True
            continue
        bad = {rows[ref] for ref in blame.failures if ref in rows}
        if not blame.named or not bad or letter.row in bad:
            return False
        mine = [one for one in mine if one.row not in bad]


def _near(letter: Standing, letters: Sequence[Standing], room: Room) -> list[Standing]:
    """Those that may be applied with a letter, as many as there is room for: what swaps lies side by side in a log."""

    def distance(one: Standing) -> tuple[bool, int]:
        return one.ref.at != letter.ref.at, abs(one.ref.offset - letter.ref.offset)

    near = sorted((one for one in letters if _may_go(one)), key=distance)[: room.letters]
    sizes = accumulate(one.size for one in near)
    return [one for one, size in zip(near, sizes, strict=True) if one is near[0] or size <= room.bytes]


def _may_go(letter: Standing) -> bool:
    """Whether it would come back by itself, and may be applied with others."""
    return letter.state in _COMING and letter.paused is None and not (letter.is_reread or letter.searching)
