"""`python -m tools.recording mysql --out tests/fixtures/mysql`: see tests/fixtures/README.md."""

import argparse
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from consumer.stack.artifacts import Artifacts
from consumer.stack.options import CONNECT, KAFKA, REGISTRY, StackOptions
from consumer.stack.progress import Terminal
from consumer.stack.relock import DEBEZIUM
from consumer.stack.stack import Stack
from tools.recording import capture, files, scenario
from tools.recording.capture import MAIN, MODES, Reading, Source
from tools.recording.columns import Table
from tools.recording.journal import Change, Journal
from tools.recording.server import DATABASE, MARIADB, MYSQL, Programs, Server
from tools.recording.tables import mariadb_tables, mysql_tables

_PARTS = frozenset({KAFKA, REGISTRY, CONNECT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of server, with its connector and its tables."""

    programs: Programs
    connector: str
    tables: tuple[Table, ...]


KINDS = {
    "mysql": Kind(programs=MYSQL, connector="io.debezium.connector.mysql.MySqlConnector", tables=mysql_tables()),
    "mariadb": Kind(
        programs=MARIADB, connector="io.debezium.connector.mariadb.MariaDbConnector", tables=mariadb_tables()
    ),
}


def main() -> None:
    """Records one kind of server."""
    parser = argparse.ArgumentParser(prog="python -m tools.recording", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--root", type=Path, default=Path("/"), help="the file system with the server's programs")
    parser.add_argument("--plugin", type=Path, help="a directory with the connector's plugin in it, if not MySQL's")
    parser.add_argument("--out", type=Path, required=True, help="the directory to write to")
    parser.add_argument(
        "--java", type=Path, required=True, help="a Java 23 or newer with the module jdk.charsets, for Connect"
    )
    chosen = parser.parse_args()
    progress = Terminal()
    options = StackOptions(plugins=(chosen.plugin or _mysql_plugin(progress),), connect_java=chosen.java)
    chosen.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="recording-") as scratch,
        Server(KINDS[chosen.kind].programs, chosen.root) as server,
        Stack.open(Path(scratch), _PARTS, options, progress) as stack,
    ):
        _record(chosen.kind, server, stack, chosen.out)


def _mysql_plugin(progress: Terminal) -> Path:
    artifacts = Artifacts(progress)
    artifacts.fetch(["debezium-mysql"])
    return artifacts.unpacked("debezium-mysql")


def _record(name: str, server: Server, stack: Stack, out: Path) -> None:
    kind, journal = KINDS[name], Journal(server)
    tables = [table.name for table in (*kind.tables, scenario.LIFE)]
    scenario.before_the_snapshot(journal, kind.tables)
    for mode in MODES:
        capture.start(Source(connector=kind.connector, prefix=name, port=server.port), mode, tables, stack.endpoints)
    reading = Reading(stack.endpoints, name)
    reading.until(_expected(name, journal.changes))
    scenario.behind_the_snapshot(journal, kind.tables)
    reading.until(_expected(name, journal.changes))
    scenario.ask_again(journal, kind.tables, MAIN)
    reading.until(_expected(name, journal.changes))
    _write(name, journal, reading, out)


def _expected(name: str, changes: list[Change]) -> Counter[str]:
    """How many changes each topic is to have."""
    seen = ((mode, each.table) for mode in MODES for each in capture.changes_of(mode, changes))
    return Counter(f"{name}_{mode.name}.{DATABASE}.{table}" for mode, table in seen)


def _write(name: str, journal: Journal, reading: Reading, out: Path) -> None:
    records = sorted(reading.records, key=lambda each: (each.topic, each.offset))
    texts = capture.schemas(reading.endpoints, capture.schema_ids(records))
    files.write(out, "schemas.ndjson.gz", ({"id": number, "schema": text} for number, text in texts))
    files.write(out, "records.ndjson.gz", map(files.record, records))
    files.write(out, "source.ndjson.gz", map(files.change, journal.changes))
    about = {
        "server": journal.server.execute("SELECT VERSION()")[0][0],
        "connector": f"{KINDS[name].connector} {DEBEZIUM}",
        "records": len(records),
        "modes": {mode.name: dict(mode.extra) for mode in MODES},
        "tables": {table.name: table.declaration for table in (*KINDS[name].tables, scenario.LIFE)},
    }
    (out / "about.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
