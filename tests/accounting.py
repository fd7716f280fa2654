"""What one batch makes of its records, worked out from the log alone: written, folded away, passed or letters.

It imports nothing of the program, so that a mistake there can't be repeated here. What it knows is what the design says
of folding: within a stage the last change of a row is written and the others are folded into it, and the n-th run of a
partition is at stage n.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

IMAGES = frozenset({"c", "u", "r"})
TOMBSTONE = ""
# what does not decode cuts nothing: it is a letter
DAMAGED = "?"
PARTS = ("upserts", "deletes", "folded", "ignored", "letters", "truncates")
"""What becomes of a batch's records, as the ledger names it."""
Frames = tuple[bytes | None, bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record of a log.

    `op`: what it does, TOMBSTONE for a record without a value. `frames`: the schemas of key and value. `half`: it is
    one of the two records of a key change, a delete that says so or a create without all columns.
    """

    offset: int
    row: Hashable
    op: str
    frames: Frames
    half: bool = False

    @property
    def takes(self) -> bool:
        """Whether it is written by itself, with what a delete has left for it."""
        return self.half and self.op in IMAGES


@dataclass(frozen=True, slots=True)
class Written:
    """A write of a row: `op` of its last change; a truncate has no row."""

    op: str
    row: Hashable


def runs(entries: Sequence[Entry], *, compacted: bool = False) -> list[list[Entry]]:
    """Consecutive records of one key schema and one value schema.

    Such a run is cut around a truncate; in front of a delete whose row goes on under another key, if the row has an
    image in the run; and in front of the next change of a row that was made of such a delete. `compacted`: tombstones
    are deletes.
    """
    borders: set[int] = set()
    while True:
        found = _alike(entries, borders)
        more: set[int] = next(filter(None, (_borders(run, compacted) for run in found)), set())
        if not more:
            return found
        borders |= more


def counted(
    entries: Sequence[Entry], letters: Collection[int], *, compacted: bool = False
) -> tuple[Counter[str], list[Written]]:
    """What becomes of a batch's records of one partition, as the ledger counts it, and the writes in their order.

    `letters`: the offsets of those that became letters. `compacted`: tombstones are deletes.
    """
    found: Counter[str] = Counter()
    writes: list[Written] = []
    for run in runs(entries, compacted=compacted):
        sound = [entry for entry in run if entry.offset not in letters]
        found["letters"] += len(run) - len(sound)
        changes = [entry for entry in sound if entry.op != TOMBSTONE or compacted]
        found["ignored"] += len(sound) - len(changes)
        if changes and changes[0].op == "t":
            found["truncates"] += len(changes)
            writes.append(Written("t", None))
            continue
        last = {entry.row: _op(entry) for entry in changes if not entry.takes}
        made = [Written(op, row) for row, op in last.items()]
        made += [Written("u", entry.row) for entry in changes if entry.takes]
        found["folded"] += len(changes) - len(made)
        found["deletes"] += sum(write.op == "d" for write in made)
        found["upserts"] += sum(write.op == "u" for write in made)
        writes += made
    return +found, writes


def _op(entry: Entry) -> str:
    return "d" if entry.op in {"d", TOMBSTONE} else "u"


def _alike(entries: Sequence[Entry], borders: Collection[int]) -> list[list[Entry]]:
    """Runs of like schemas, which begin at these offsets too; a tombstone is of any value schema."""
    found: list[list[Entry]] = []
    frames: Frames = (None, None)
    for entry in entries:
        key, value = entry.frames
        other = key != frames[0] or (None not in (value, frames[1]) and value != frames[1])
        if not found or entry.offset in borders or other:
            found.append([])
            frames = entry.frames
        found[-1].append(entry)
        frames = key, frames[1] or value
    return found


def _borders(run: Sequence[Entry], compacted: bool) -> set[int]:
    """The offsets at which a run is to be cut."""
    truncates = [place for place, entry in enumerate(run) if entry.op == "t"]
    if truncates and len(truncates) < len(run):
        return {run[place].offset for at in truncates for place in (at, at + 1) if 0 < place < len(run)}
    found: set[int] = set()
    imaged: set[Hashable] = set()
    taking: set[Hashable] = set()
    for entry in run:
        if (entry.op == TOMBSTONE and not compacted) or entry.op == DAMAGED:
            continue
        if entry.row in taking or (entry.half and entry.op == "d" and entry.row in imaged):
            found.add(entry.offset)
        taking.discard(entry.row)
        if entry.takes:
            taking.add(entry.row)
        elif entry.op in IMAGES:
            imaged.add(entry.row)
    return found
