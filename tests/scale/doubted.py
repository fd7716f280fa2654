"""What it costs that nulls of a column are doubted: `python -m tests.scale.doubted`, with `--numbers` by their length.

Updates of rows that are there, in batches as a worker has them, planned and applied by the program on a server of its
own; in turns with the same updates of a table whose column is taken at its word. Told are seconds of CPU, of the
program for its plans and of the server's backend for the whole batch, which other work on the machine hardly changes.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

import psycopg
from rich.console import Console
from rich.table import Table

from consumer.core.types import ColumnPolicy
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.migrate import migrate
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.pipeline import Change, Pipeline
from tests.scale.index import opened
from tests.unit.semantic import VARIABLE, unscaled

GROUP = "scale"
FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "amount", "type": "int"},
]
ARRAY = {"type": "array", "items": ["null", "double"]}
BATCH = 20_000
# arrays are doubted whatever their length, numbers by it
_ANSWERS: Mapping[str, Literal["write"] | None] = {"believed": "write", "doubted": None}


@dataclass
class Side:
    """A table, and what its updates took: seconds a round, planned and applied. `backend`: the sink's session's."""

    line: Pipeline
    sink: PostgresSink
    backend: int
    planned: list[float] = field(default_factory=list)
    applied: list[float] = field(default_factory=list)

    def round(self, changes: Sequence[Change]) -> None:
        """Apply changes, in batches."""
        planned = applied = 0.0
        for first in range(0, len(changes), BATCH):
            clock = time.process_time()
            plan = self.line.plan(*changes[first : first + BATCH])
            planned += time.process_time() - clock
            clock = spent(self.backend)
            assert not self.sink.apply(plan).plan.letters
            applied += spent(self.backend) - clock
            self.line.next_offset = plan.slices[0].end
        self.planned.append(planned)
        self.applied.append(applied)


def spent(process: int) -> float:
    """Seconds of CPU that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def backend(session: psycopg.Connection) -> int:
    """The process of the sink's session."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s AND pid <> pg_backend_pid()"
    ((found,),) = session.execute(query, ("headrace %sink%",)).fetchall()
    return int(found)


@dataclass(frozen=True)
class Rows:
    """Changes of `count` rows, of which the share `nulls` has null in the column; in others it has short numbers."""

    count: int
    nulls: float
    numbers: bool

    def changes(self, op: str, number: int = 0) -> list[Change]:
        """One of each row."""
        return [
            (op, {"id": key, "word": f"word {key}", "amount": number, "v": self._value(key)})
            for key in range(self.count)
        ]

    def _value(self, key: int) -> Any:
        if key % 100 < self.nulls * 100:
            return None
        return {"scale": 2, "value": unscaled(key)} if self.numbers else [key * 1.0]


def compared(session: psycopg.Connection, sides: Sequence[Side], rows: Rows, rounds: int) -> None:
    """Rows that are there, then updates of all of them, in turns; what came of the first round does not count."""
    for side in sides:
        side.line.apply(("c", {"id": rows.count, "word": "w", "amount": 0, "v": None}))
        session.execute(f"TRUNCATE {side.line.table.schema}.orders".encode())
        side.round(rows.changes("c"))
    for number in range(rounds + 1):
        for side in sides if number % 2 else sides[::-1]:
            session.execute(f"VACUUM ANALYZE {side.line.table.schema}.orders".encode())
            side.round(rows.changes("u", number))
    for side in sides:
        del side.planned[:2], side.applied[:2]


def main() -> int:
    """Compare, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--numbers", action="store_true")
    chosen = parser.parse_args()
    table = Table("nulls", "column", "planned, s", "on the server, s", "least to most")
    with opened(None) as dsn:
        settings = SessionSettings(dsn=dsn, worker="scale")
        with (
            connect(settings) as session,
            closing(TargetPool(settings, CircuitBreaker("target"))) as pool,
            closing(PostgresSink(replace(settings, worker="sink"), GROUP)) as sink,
        ):
            migrate(session)
            sink.open()
            sink.seed({})
            of_sink = backend(session)
            fields = [*FIELDS, {"name": "v", "type": ["null", VARIABLE if chosen.numbers else ARRAY], "default": None}]
            for nulls in (1.0, 0.5, 0.0) if chosen.numbers else (1.0, 0.5):
                sides = {}
                for name, answer in _ANSWERS.items():
                    schema = f"{name}_{int(nulls * 100)}"
                    session.execute(f"CREATE SCHEMA {schema}".encode())
                    columns = {f"{schema}.orders": {"v": ColumnPolicy(doubtful_nulls=answer)}}
                    line = Pipeline(sink, PostgresCatalog(pool, GROUP), schema, fields, columns=columns)
                    sides[name] = Side(line, sink, of_sink)
                compared(session, list(sides.values()), Rows(chosen.rows, nulls, chosen.numbers), chosen.rounds)
                for name, side in sides.items():
                    spread = f"{min(side.applied):.2f} to {max(side.applied):.2f}"
                    told = f"{median(side.planned):.2f}", f"{median(side.applied):.2f}", spread
                    table.add_row(f"{nulls:.0%}", name, *told)
    Console(width=100).print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
