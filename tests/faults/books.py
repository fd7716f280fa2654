"""The books of one group: what it says that it did, held against what the log alone says that it must have done.

The ledger says which offsets were in which batch. From there on nothing of the program is believed: each record of the
log has to be in the batches as often as it should, and what a batch wrote, folded away, passed or left out is worked
out by `tests/accounting.py`. Triggers of the tables say how often each row was written.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.accounting import PARTS, Entry, counted
from tests.real.engine.witness import Target

from .log import Log, Place, Reading, log_ends, read_log

Origin = tuple[str, int, int]

_LETTERS = 'SELECT topic, partition, "offset", state FROM headrace.letters WHERE group_name = %s'
_LEDGER = """
SELECT id, ranges, records, outcomes -> 'records' FROM headrace.batches
WHERE group_name = %s AND state = 'applied' AND id > %s ORDER BY id
"""
_MOVES = "SELECT topic, part, old_offset, new_offset, epoch FROM witness.moves WHERE grp = %s ORDER BY n"


@dataclass(frozen=True, slots=True)
class Jump:
    """A position that a person has set: from where to where. `anew`: into another log than the one of before."""

    at: Place
    old: int
    new: int
    anew: bool = False


@dataclass(slots=True)
class Account:
    """What became of the records of a log."""

    records: int = 0
    parts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        said = self.parts
        words = f"{said['upserts'] + said['deletes']} written, {said['folded']} superseded, {said['letters']} letters"
        return f"{self.records} records: {words}, {said['ignored'] + said['truncates']} passed or about the table"


@dataclass(slots=True)
class _Table:
    """What a table's witnesses must have seen: which rows are there, and how often each was written."""

    alive: set[object] = field(default_factory=set)
    writes: Counter[object] = field(default_factory=Counter)

    def write(self, op: str, row: object) -> None:
        """One write of a batch; what meets no row is none."""
        if op == "t":
            self.writes.update(self.alive)
            self.alive.clear()
        elif op == "u":
            self.writes[row] += 1
            self.alive.add(row)
        elif row in self.alive:
            self.writes[row] += 1
            self.alive.discard(row)


@dataclass(slots=True)
class Books:
    """Of one group and its target. `tables`: by topic, the table of its rows; `compacted`: topics that are."""

    kafka: str
    target: Target
    group: str
    tables: dict[str, str] = field(default_factory=dict)
    compacted: set[str] = field(default_factory=set)
    account: Account = field(default_factory=Account)
    _judged: int = 0
    # where logs ended that are gone
    _closed: dict[Place, int] = field(default_factory=dict)
    _log: Log = field(default_factory=dict)
    _passed: Counter[Origin] = field(default_factory=Counter)
    _rows: dict[str, _Table] = field(default_factory=dict)
    _readings: dict[str, Reading] = field(default_factory=dict)

    def add(self, topic: str, table: str, *, compacted: bool) -> None:
        """One more topic, and the table that its rows are in."""
        self.tables[topic] = table
        if compacted:
            self.compacted.add(topic)

    def of_another(self, group: str) -> "Books":
        """Those of another group over the same topics, which begins with empty tables."""
        return Books(
            self.kafka,
            self.target,
            group,
            self.tables,
            self.compacted,
            _log=self._log,
            _readings=self._readings,
        )

    def remember(self) -> None:
        """Keep the log as it is now; some of it is about to be gone."""
        ends = log_ends(self.kafka, sorted(self.tables))
        if {at: max(records, default=-1) + 1 for at, records in self._log.items()} == ends:
            return
        for at, records in read_log(self.kafka, ends).items():
            self._log.setdefault(at, {}).update(records)

    def close(self, topic: str) -> None:
        """All of the topic was judged, and it is about to be another one."""
        self.judge()
        self._require_passed({at: len(self._log[at]) for at in self._log if at[0] == topic}, ())
        self._closed |= {at: max(records, default=-1) + 1 for at, records in self._log.items() if at[0] == topic}
        self._log = {at: records for at, records in self._log.items() if at[0] != topic}
        self._passed = Counter({origin: times for origin, times in self._passed.items() if origin[0] != topic})

    def emptied(self, table: str) -> None:
        """A person has emptied the table by a TRUNCATE, of which triggers for rows see nothing."""
        self.judge()
        self._table(table).alive.clear()

    def letters(self) -> dict[Origin, str]:
        """The state of each letter by its origin; a record has one."""
        rows = self.target.ask(_LETTERS, self.group)
        origins = Counter(row[:3] for row in rows)
        assert [origin for origin, times in origins.items() if times > 1] == []
        return {(str(row[0]), int(str(row[1])), int(str(row[2]))): str(row[3]) for row in rows}

    def judge(self) -> None:
        """Hold each batch that was applied since the last time against its records."""
        self.remember()
        out: dict[Place, set[int]] = defaultdict(set)
        for topic, part, offset in self.letters():
            out[topic, part].add(offset)
        for number, ranges, records, parts in self.target.ask(_LEDGER, self.group, self._judged):
            self._judged = int(str(number))
            # others are of copies of letters that came back
            if spans := _spans(ranges, self.tables):
                told = {"records": int(str(records)), **_told(parts)}
                assert told == self._made(spans, out), f"batch {number} of {spans}"

    def verify(self, jumps: Sequence[Jump]) -> Account:
        """Everything that the ledger, the positions and the witnesses say. `jumps`: positions that people have set."""
        self.judge()
        ends = log_ends(self.kafka, sorted(self.tables))
        self._require_passed(ends, jumps)
        self._require_moves(jumps)
        self._require_writes()
        return self.account

    def _made(self, spans: Sequence[tuple[Place, int, int]], out: Mapping[Place, Collection[int]]) -> dict[str, int]:
        """What a batch over these offsets must have made of them; it is booked."""
        found: Counter[str] = Counter()
        read = 0
        for at, start, end in spans:
            entries = [self._entry(at, offset) for offset in self._offsets(at, start, end)]
            read += len(entries)
            self._passed.update((*at, entry.offset) for entry in entries)
            counts, writes = counted(entries, out.get(at, ()), compacted=at[0] in self.compacted)
            found += counts
            table = self._table(self.tables[at[0]])
            for write in writes:
                table.write(write.op, write.row)
        self.account.records += read
        self.account.parts += found
        return {"records": read, **{name: found[name] for name in PARTS}}

    def _require_passed(self, ends: Mapping[Place, int], jumps: Sequence[Jump]) -> None:
        """Each record was in one batch, but for what people have set back or passed."""
        wanted = Counter((*at, offset) for at in ends for offset in self._log[at])
        for jump in jumps:
            # of another log that was read before anybody noticed is read again what was read
            first = self._closed[jump.at] if jump.anew else min(jump.old, jump.new)
            step = 1 if jump.new < jump.old else -1
            for offset in self._offsets(jump.at, first, max(jump.old, jump.new)):
                wanted[(*jump.at, offset)] += step
        passed = Counter({origin: times for origin, times in self._passed.items() if origin[:2] in ends})
        assert passed - wanted == Counter(), "in more batches than it should be"
        assert wanted - passed == Counter(), "in fewer batches than it should be"

    def _require_moves(self, jumps: Sequence[Jump]) -> None:
        """Positions rise without gap or overlap, and never return to an older epoch, but where people have set them."""
        left = Counter((*jump.at, jump.old, jump.new) for jump in jumps)
        last: dict[Place, tuple[int, int]] = {}
        for topic, part, *numbers in self.target.ask(_MOVES, self.group):
            at = str(topic), int(str(part))
            old, new, epoch = (int(str(number)) for number in numbers)
            end, owner = last.get(at, (old, epoch))
            assert (old, epoch >= owner) == (end, True), f"{at}: {old}-{new} of {epoch} behind {end} of {owner}"
            if left[*at, old, new]:
                left[*at, old, new] -= 1
            else:
                assert new >= old, f"{at}: back from {old} to {new}"
            last[at] = new, epoch
        assert +left == Counter(), "what people have decided was not done"

    def _require_writes(self) -> None:
        """Each row was written as often as batches wrote it; of rows with letters at least so often."""
        lettered = {(self.tables[topic], self._entry((topic, part), at).row) for topic, part, at in self.letters()}
        for table, rows in self._rows.items():
            mine = {row for name, row in lettered if name == table}
            seen = self.target.writes(table)
            both = seen.keys() | rows.writes.keys()
            assert {row: seen[row] for row in both - mine} == {row: rows.writes[row] for row in both - mine}
            assert [row for row in mine if seen[row] < rows.writes[row]] == []

    def _table(self, name: str) -> _Table:
        return self._rows.setdefault(name, _Table())

    def _offsets(self, at: Place, start: int, end: int) -> Collection[int]:
        here = self._log[at]
        return [offset for offset in range(start, end) if offset in here]

    def _entry(self, at: Place, offset: int) -> Entry:
        reading = self._readings.setdefault(at[0], Reading(at[0]))
        return reading.entry(offset, self._log[at][offset])


def _spans(ranges: Any, topics: Collection[str]) -> list[tuple[Place, int, int]]:
    return [((str(topic), int(part)), int(start), int(end)) for topic, part, start, end, _ in ranges if topic in topics]


def _told(parts: Any) -> dict[str, int]:
    return {name: int((parts or {}).get(name, 0)) for name in PARTS}
