"""The search for later changes of a letter's row, where it became known only later which row that is.

When the record failed nobody knew its row, so its later changes did not see the letter. From the moment when its row
is written down they do; what was passed before, from the letter's offset to the position stored at that moment, is
read again at the origin.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from consumer.core.failure import Failure, failed, located
from consumer.core.kinds import KINDS
from consumer.core.plan import Plan
from consumer.core.records import RecordRef
from consumer.core.writes import TableWrite


class Doubt(StrEnum):
    """Why a letter may not be applied though no later full image and no delete of its row was found."""

    PARTIAL = "partial"
    UNREAD = "unread"
    COMPACTED = "compacted"


GROWTH_SEEN = 3600.0
"""Seconds after which all producers write by a topic's new number of partitions; the default is that they look for it
every five minutes.
"""
_SPREAD = "its topic has got more partitions, and a later change of its row may stand in another one"
GONE = "the records behind it have left the log, or belong to a topic that was made anew"
_WHY = {
    Doubt.PARTIAL: "a later change of its row, without all columns, is applied already and would be undone",
    Doubt.UNREAD: "a record behind it can't be read, or was perhaps not applied, and may be a later change of its row",
    Doubt.COMPACTED: "compaction has removed records behind it, and a delete of its row may be among them",
}


class Ending(Enum):
    """How a search ends: a later change makes the letter superfluous; nothing stands against applying it; it can't be
    known, or would undo something."""

    SUPERSEDED = "superseded by a later change"
    CLEAR = "no later change"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A letter that is searched for: offsets from its own up to `searched` are done, those up to `until` are to be.

    `topic_id`: of the topic whose position is stored. `partitions`: how many of that are known; `grown_at`: when it
    got the last of them, in seconds since 1970, if it had records before. `spread`: its row may have gone to another
    partition since.
    """

    id: int
    attempt: int
    origin: RecordRef
    searched: int
    until: int
    doubt: Doubt | None = None
    topic_id: str | None = None
    partitions: int = 1
    grown_at: float | None = None
    spread: bool = False

    def ending(self, met: Collection[Doubt | None], doubt: Doubt | None, upto: int) -> Ending | None:
        """How it ends when the offsets up to `upto` are read; None if it goes on.

        `met`: what changes its row, None for full images and deletes. `doubt`: what holds for all rows.
        """
        if None in met:
            return Ending.SUPERSEDED
        if upto < self.until:
            return None
        return Ending.REFUSED if self.spread or self.doubts(met, doubt) else Ending.CLEAR

    def doubts(self, met: Collection[Doubt | None], doubt: Doubt | None) -> Doubt | None:
        """The first reason not to apply it, of those known before and now."""
        return self.doubt or min((one for one in (*met, doubt) if one is not None), default=None)

    def refusal(self, why: str) -> Failure:
        """Why the letter is not applied."""
        return located(failed(KINDS["record.unplaced"], "searcher", "search", why), *self.origin)

    def refused_for(self, doubt: Doubt | None) -> Failure:
        """The same, for a doubt; None where there is another reason: the records are gone, or others are elsewhere."""
        return self.refusal(_WHY[doubt] if doubt else _SPREAD if self.spread else GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Offsets `[start, end)` that are read at once for some searches of a partition. `claimed`: ids of all of them.

    `reads`: False where nothing stands behind the letter.
    """

    searches: tuple[Search, ...]
    claimed: tuple[int, ...]
    start: int
    end: int
    reads: bool = True


def next_stretch(searches: Sequence[Search]) -> Stretch:
    """What is to be read next for searches of one partition: for those that are least far, until others join them.

    Records are folded with what is read beside them, so they must lie behind every letter that they are looked at for.
    """
    claimed = tuple(search.id for search in searches)
    for search in searches:
        if search.searched <= search.origin.offset:
            return Stretch(searches=(search,), claimed=claimed, start=search.searched, end=search.until, reads=False)
    start = min(search.searched for search in searches)
    first = tuple(search for search in searches if search.searched == start)
    borders = [search.until for search in first] + [search.searched for search in searches if search.searched > start]
    return Stretch(searches=first, claimed=claimed, start=start, end=min(borders))


@dataclass(frozen=True, slots=True)
class Look:
    """Rows to look up, which records change; `unread`: records that can't be read, or are not known to be applied."""

    write: TableWrite
    unread: bool = False

    def meaning(self, row: int) -> Doubt | None:
        """What the change of one of them means for a letter of it; None where it is written as a whole."""
        if self.unread:
            return Doubt.UNREAD
        return Doubt.PARTIAL if self.write.lacks(row) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Offsets of records that can't be taken for applied, though they were passed; none is in two of these.

    `waiting`: they have open letters, which their rows' order heeds. `noted`: a person passed them, or gave them up,
    and maybe they were applied since. `unsure`: nobody knows.
    """

    waiting: frozenset[int] = frozenset()
    noted: frozenset[int] = frozenset()
    unsure: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the records up to `upto` change: rows to look up.

    `doubt`: what they mean for every letter.
    """

    upto: int
    looks: tuple[Look, ...] = ()
    doubt: Doubt | None = None


def seen(plan: Plan, upto: int, *, incomplete: bool) -> Seen:
    """What a plan of records says of rows. `incomplete`: some records of a compacted topic are missing."""
    looks = [Look(write) for write in plan.writes]
    asides = [aside for stage in plan.stages for aside in stage.letters]
    looks += [Look(aside.identities, unread=True) for aside in asides if aside.identities is not None]
    doubt = Doubt.COMPACTED if incomplete else None
    if plan.truncates or any(letter.place is None for letter in plan.letters):
        doubt = Doubt.UNREAD
    return Seen(upto=upto, looks=tuple(looks), doubt=doubt)


def doubted(known: Seen, plan: Plan, *, readable: bool) -> Seen:
    """The same, and that it is not known whether what a plan of further records says was applied.

    `readable`: those of them that can't be read were not.
    """
    more = seen(plan, known.upto, incomplete=False)
    doubt = None if readable and not plan.truncates else more.doubt
    looks = (*known.looks, *(replace(look, unread=True) for look in more.looks))
    return replace(known, looks=looks, doubt=known.doubt or doubt)
