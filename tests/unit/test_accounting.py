"""The tests' own account of a batch: it is the planner's, for any records and borders, and no count is free."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.markers import UNAVAILABLE
from consumer.core.modes import OnTruncate
from consumer.core.moves import NEW_KEY
from consumer.core.records import Slice
from tests.accounting import DAMAGED, TOMBSTONE, Entry, counted
from tests.unit.avro import event, framed
from tests.unit.known import Topic, planner, slice_of

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "word", "type": ["null", "string"], "default": None},
]
KINDS = ["c", "u", "d", TOMBSTONE, "partial", "cut", "t", "leaves", "arrives"]
STEPS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(KINDS), st.sampled_from([2, 3])), min_size=1, max_size=25)


class Log:
    """Records of one partition; each change of a key stands at a place of its own in the source."""

    def __init__(self, steps: Sequence[tuple[int, str, int]], *, compacted: bool) -> None:
        self.topic = Topic(FIELDS, compacted=compacted)
        self.records: list[tuple[bytes | None, bytes | None]] = []
        self.entries: list[Entry] = []
        self.left: set[int] = set()
        for offset, (key, kind, schema) in enumerate(steps):
            self._add(offset, key, kind, schema)

    def _add(self, offset: int, key: int, kind: str, schema: int) -> None:
        op = {"partial": "u", "cut": "u", "leaves": "d", "arrives": "c"}.get(kind, kind)
        lacks = kind in {"partial", "arrives"}
        row = {"id": key, "word": UNAVAILABLE if lacks else f"word {offset}"}
        key_bytes = None if op == "t" else self.topic.key(row)
        value: bytes | None = None
        if op != TOMBSTONE:
            shown = (row, None) if op == "d" else (None, None if op == "t" else row)
            value = framed(schema, self.topic.values.datum(event(op, *shown, lsn=offset + 1)))
        self.records.append((key_bytes, value[:-1] if value and kind == "cut" else value))
        if kind == "leaves":
            self.left.add(offset)
        frames = key_bytes and key_bytes[:5], value and value[:5]
        half = kind in {"leaves", "arrives"}
        told = DAMAGED if kind == "cut" else op
        self.entries.append(Entry(offset=offset, row=None if op == "t" else key, op=told, frames=frames, half=half))

    def known(self) -> KnownBindings:
        """Both schemas, of one table, which takes truncates."""
        found = KnownBindings()
        binding = replace(self.topic.binding, truncate=OnTruncate.APPLY, may_lack=("word",))
        keys = [framed(1, b""), None]
        for frame in [(key, value) for key in keys for value in (framed(2, b""), framed(3, b""), None)]:
            found.learn(BindingKey(self.piece().at.topic, *frame), binding)
        return found

    def piece(self) -> Slice:
        """All of it."""
        headers = dict.fromkeys(self.left, ((NEW_KEY, b"{}"),))
        return replace(slice_of(self.records, 0), headers=lambda offset: headers.get(offset, ()))


@settings(max_examples=60, deadline=None)
@given(STEPS, st.booleans())
def test_it_counts_as_the_planner_does(steps: Sequence[tuple[int, str, int]], compacted: bool) -> None:
    """Partial images, truncates, tombstones, changes of schema and key, and records that are cut."""
    log = Log(steps, compacted=compacted)
    plan = planner(log.known()).plan([log.piece()])
    letters = {one.record.ref.offset for stage in plan.stages for aside in stage.letters for one in aside.letters}
    found, writes = counted(log.entries, letters, compacted=compacted)
    told = {name: count for name, count in asdict(plan.counts).items() if name != "records"}
    assert Counter(told) == found
    assert plan.counts.records == len(steps) == found.total()
    assert sum(write.rows for write in plan.writes if write.action.value != "keep") == sum(
        one.op != "t" for one in writes
    )


def _entries(*kinds: str) -> list[Entry]:
    return [
        Entry(offset=offset, row=1, op=kind[0] if kind != "-" else TOMBSTONE, frames=(b"k", b"v"), half="!" in kind)
        for offset, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        (["c", "u", "u"], {"upserts": 1, "folded": 2}),
        (["c", "d", "-"], {"deletes": 1, "folded": 1, "ignored": 1}),
        (["c", "t", "c"], {"upserts": 2, "truncates": 1}),
        (["c", "d!", "u"], {"upserts": 2, "folded": 1}),
        (["c!", "u"], {"upserts": 2}),
    ],
)
def test_what_becomes_of_a_rows_changes(kinds: Sequence[str], found: dict[str, int]) -> None:
    """By hand: the last is written, and what stands between them cuts."""
    assert counted(_entries(*kinds), ())[0] == found


def test_letters_are_no_changes() -> None:
    """What is behind one folds as if it were not there."""
    counts, writes = counted(_entries("c", "u", "u"), {2})
    assert counts == {"upserts": 1, "folded": 1, "letters": 1}
    assert [one.op for one in writes] == ["u"]
