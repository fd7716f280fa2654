"""Letters whose rows became known late: what was passed behind them is read again, on a thread of its own.

How far each search has come stands in the letter's row, so any worker goes on with it. What it finds is written
there too; a letter that may be applied comes back through the lane like any other.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import structlog

from consumer.applying.rereading import Rereading
from consumer.background.cadence import Cadence
from consumer.binding.binder import Binder
from consumer.core.failure import Transient
from consumer.core.plan import Plan
from consumer.core.records import OffsetRange, Slice
from consumer.core.search import GROWTH_SEEN, Doubt, Ending, Search, Seen, Stretch, doubted, next_stretch, seen
from consumer.planning.planner import BadRecord, Planner
from consumer.planning.unbound import Unbound
from consumer.ports.facts import Tell, untold
from consumer.ports.letters import Searches
from consumer.ports.refusals import DataFault, TableFault
from consumer.ports.topics import Moments, Traits

log = structlog.get_logger("headrace.letters")

_UNREADABLE = (BadRecord, DataFault, TableFault)


class Searcher:
    """Owns the reader of origins. `turn` is called in a loop by one thread; mostly it does nothing."""

    LOOK_EVERY = 1.0
    AGAIN = 5.0
    # seconds for which searches are ours
    CLAIM = 5.0
    # letters, and records read for them, at a time
    LETTERS = 200
    RECORDS = 5_000

    def __init__(
        self, searches: Searches, origins: Rereading, offsets: Moments, planner: Planner, binder: Binder
    ) -> None:
        self._searches = searches
        self._origins = origins
        self._offsets = offsets
        self._planner = planner
        self._binder = binder
        self._cadence = Cadence(log, "letters wait to be searched for", self.LOOK_EVERY, self.AGAIN)
        # told of what fails; set by whoever watches
        self.tell: Tell = untold

    def turn(self, timeout: float) -> None:
        """Read one stretch for the searches of one partition, if it is time to and there are any; else wait."""
        self._cadence.turn(lambda: 0.0 if self._searched() else self.LOOK_EVERY, timeout, self.tell)

    def close(self) -> None:
        """Close the reader; the rows know how far it came."""
        self._origins.close()

    def _searched(self) -> bool:
        claimed = self._searches.claim(self.LETTERS, self.CLAIM)
        if not claimed:
            return False
        topic = claimed[0].origin.at.topic
        traits = self._offsets.traits([topic]).get(topic)
        stretch = next_stretch(self._located(claimed, traits))
        try:
            piece = self._read(stretch)
        except Transient as error:
            if error.failure.kind != "log.unreadable":
                raise
            # it stays so, and the client can't tell where it ends
            _say(stretch, self._searches.note(stretch, Seen(upto=stretch.end, doubt=Doubt.UNREAD)))
            return True
        if piece is None:
            self._searches.refuse(stretch)
            _say(stretch, {search.id: Ending.REFUSED for search in stretch.searches})
        else:
            self._note(stretch, piece, traits)
        return True

    def _located(self, searches: Sequence[Search], traits: Traits | None) -> list[Search]:
        """With what is to be said of those whose rows may have gone to other partitions since."""
        first, at = searches[0], searches[0].origin.at
        if traits is None:
            # it is gone, and so are its records
            return list(searches)
        if traits.partitions > first.partitions:
            # the group has not taken the new ones yet
            return [replace(search, spread=True) for search in searches]
        if first.grown_at is None:
            return list(searches)
        since = self._offsets.since([at], first.grown_at + GROWTH_SEEN).get(at)
        return [replace(search, spread=since is None or search.origin.offset < since) for search in searches]

    def _read(self, stretch: Stretch) -> Slice | None:
        """The next records of the stretch; None when they are gone."""
        first = stretch.searches[0]
        if not stretch.reads:
            return Slice(at=first.origin.at, epoch=0, start=stretch.start, end=stretch.end)
        return self._origins.read(
            OffsetRange(first.origin.at, stretch.start, stretch.end),
            min(self.RECORDS, self._planner.most),
            first.topic_id,
        )

    def _note(self, stretch: Stretch, piece: Slice, traits: Traits | None) -> None:
        try:
            found = self._searches.note(stretch, self._seen(piece, traits) if stretch.reads else Seen(upto=piece.end))
        except _UNREADABLE as error:
            if isinstance(error, BadRecord) and error.wait:
                # its schema may become known yet
                raise
            found = self._searches.note(stretch, Seen(upto=piece.end, doubt=Doubt.UNREAD))
        _say(stretch, found)

    def _seen(self, piece: Slice, traits: Traits | None) -> Seen:
        self._planner.marks.learn(self._searches.marks())
        incomplete = (traits is None or traits.compacted) and len(piece) < piece.end - piece.start
        passed = self._searches.passed(piece.at, piece.offsets)
        applied = set(piece.offsets) - passed.waiting - passed.noted - passed.unsure
        found = seen(self._planned(_only(piece, applied)), piece.end, incomplete=incomplete)
        for offsets, readable in ((passed.noted, True), (passed.unsure, False)):
            if offsets:
                found = self._doubted(found, _only(piece, offsets), readable=readable)
        return found

    def _doubted(self, found: Seen, piece: Slice, *, readable: bool) -> Seen:
        try:
            return doubted(found, self._planned(piece), readable=readable)
        except BadRecord:
            # also where its schema may become known yet: nobody else waits for that
            return replace(found, doubt=found.doubt or Doubt.UNREAD)

    def _planned(self, piece: Slice) -> Plan:
        while True:
            try:
                return self._planner.plan([piece])
            except Unbound as unbound:
                self._binder.bind(unbound.wanted, unbound.labels)


def _only(piece: Slice, offsets: Collection[int]) -> Slice:
    """The records at these offsets."""
    kept = [place for place, offset in enumerate(piece.offsets) if offset in offsets]
    return replace(
        piece,
        offsets=[piece.offsets[place] for place in kept],
        keys=[piece.keys[place] for place in kept],
        values=[piece.values[place] for place in kept],
    )


def _say(stretch: Stretch, endings: Mapping[int, Ending]) -> None:
    for search in stretch.searches:
        if ending := endings.get(search.id):
            at, offset = search.origin
            log.info(
                "letter searched for",
                topic=at.topic,
                partition=at.partition,
                offset=offset,
                letter=search.id,
                ending=ending.value,
            )
