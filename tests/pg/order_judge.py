"""What must hold of rows and letters when all has come to an end. Imports nothing of the program."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.accounting import PARTS, Entry, counted

Origin = tuple[int, int]
CLOSED = {"applied", "superseded", "discarded"}
_LETTERS = 'SELECT partition, "offset", state FROM headrace.letters WHERE group_name = %s AND topic = %s ORDER BY id'
_LEDGER = """
SELECT ranges, records, outcomes -> 'records' FROM headrace.batches
WHERE group_name = %s AND state = 'applied' AND ranges -> 0 ->> 0 = %s ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Said:
    """One record of the log: `word` is None in a partial image, `op` is `d` for a delete."""

    key: int
    op: str
    word: str | None
    amount: int


Logs = Mapping[int, Sequence[Said]]


@dataclass(frozen=True, slots=True)
class Judge:
    """Of one group and its table `t`, of which `history` has every change."""

    session: psycopg.Connection
    group: str
    topic: str
    logs: Logs
    edited: set[Origin] = field(default_factory=set)

    def fates(self) -> dict[Origin, list[str]]:
        """States of the letters by partition and offset."""
        found: dict[Origin, list[str]] = {}
        for partition, offset, state in self.session.execute(_LETTERS, (self.group, self.topic)):
            found.setdefault((partition, offset), []).append(state)
        return found

    def model(self) -> dict[int, tuple[str | None, int]]:
        """The log applied one by one, without what was given up, superseded or could never be applied."""
        fates = self.fates()
        table: dict[int, tuple[str | None, int]] = {}
        # partial images of rows that are not there: fine only where a whole change follows
        orphans: set[int] = set()
        for partition, said in self.logs.items():
            for offset, one in enumerate(said):
                if fates.get((partition, offset), ["applied"]) != ["applied"]:
                    continue
                word = "mended" if (partition, offset) in self.edited else one.word
                orphans.discard(one.key)
                if one.op == "d":
                    table.pop(one.key, None)
                elif word is not None:
                    table[one.key] = word, one.amount
                elif one.key in table:
                    table[one.key] = table[one.key][0], one.amount
                else:
                    orphans.add(one.key)
        assert not orphans
        return table

    def lost(self) -> list[Origin]:
        """Superseded letters of which no later change of their row says all that they said."""
        fates = self.fates()
        said: dict[int, int] = {}
        for partition, log in self.logs.items():
            for offset, one in enumerate(log):
                applied = fates.get((partition, offset), ["applied"]) == ["applied"]
                if applied and (one.word is not None or (partition, offset) in self.edited):
                    said[one.key] = offset
        ended = [origin for origin, states in fates.items() if states == ["superseded"]]
        return [(at, offset) for at, offset in ended if said.get(self.logs[at][offset].key, -1) < offset]

    def out_of_order(self) -> list[str]:
        """Rows whose changes came otherwise than in the log: each in front of all that are behind it there."""
        deletes: dict[int, list[int]] = defaultdict(list)
        for log in self.logs.values():
            for offset, one in enumerate(log):
                if one.op == "d":
                    deletes[one.key].append(offset)
        last: dict[int, int] = {}
        wrong: list[str] = []
        query = f"SELECT id, op, amount FROM {self.group}.history ORDER BY n"
        for key, op, amount in self.session.execute(query.encode()):
            before = last.get(key, -1)
            # which delete it was nobody says; the first one that it can have been
            now = next((at for at in deletes[key] if at > before), None) if op == "DELETE" else amount
            if now is None or now <= before:
                wrong.append(f"{op} of {amount} of row {key} behind {before}")
            last[key] = before if now is None else now
        return wrong

    def unaccounted(self) -> list[str]:
        """Batches whose records became something else than the log says, and records that were not in exactly one."""
        letters = self.fates()
        passed: Counter[Origin] = Counter()
        wrong: list[str] = []
        for ranges, records, told in self.session.execute(_LEDGER, (self.group, self.topic)):
            wanted: Counter[str] = Counter()
            for _, partition, start, end, _ in ranges:
                passed.update((partition, offset) for offset in range(start, end))
                out = {offset for place, offset in letters if place == partition}
                wanted += counted([self._entry(partition, offset) for offset in range(start, end)], out)[0]
            found = {name: told.get(name, 0) for name in PARTS}
            if (records, found) != (wanted.total(), {name: wanted[name] for name in PARTS}):
                wrong.append(f"{ranges}: {found} instead of {dict(wanted)}")
        every = Counter((partition, offset) for partition, log in self.logs.items() for offset in range(len(log)))
        wrong += [f"{origin}: in {passed[origin]} batches" for origin in every | passed if passed[origin] != 1]
        return wrong

    def _entry(self, partition: int, offset: int) -> Entry:
        said = self.logs[partition][offset]
        return Entry(offset=offset, row=said.key, op=said.op, frames=(b"key", b"value"))


def rows_of(found: Sequence[tuple[Any, ...]]) -> dict[int, tuple[str | None, int]]:
    """A table's rows by key."""
    return {key: (word, amount) for key, word, amount in found}
