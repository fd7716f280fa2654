"""How long people wait for a page of letters when there are a million: `python -m tests.scale.index`.

Each question is asked often, of a server with the control schema's own indexes and triggers; those whose 95th
percentile is above 200 ms are marked, and then it ends with 1.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import psycopg
from rich.console import Console
from rich.table import Table

from consumer.edges.postgres.migrate import migrate
from consumer.edges.postgres.outlook import OPEN
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.tallies import sum_up
from consumer.stack.options import TARGET, StackOptions
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from dlq.export import AT_ONCE, exported
from dlq.groups import groups
from dlq.history import whole
from dlq.letters import count, facets, page
from dlq.selection import Selection

GROUP = "scale"
MOST_MS = 200.0
DAYS = 30
# 40 tables, of which the first has half of all letters, and 8 kinds; some states are rare
_WRITE = """
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy, code, field,
    table_name, digest_a, digest_b, first_failed_at, failed_at, closed_at
)
SELECT %(group)s, 'shop.public.t' || part, 0, n, state, 'record.' || kind, 'persistent', 'postgres', 'upsert',
    'topic shop.public.t' || part || ', partition 0, offset ' || n || ': refused', 'Put ' || kind || ' right.', '23514',
    CASE WHEN kind = 'value' THEN 'after.c' || n %% 5 ELSE '' END,
    CASE WHEN n %% 50 > 0 THEN 'public.t' || part END, hashint8(n / 3), hashint8(n / 3 + 7), at - interval '1 h', at,
    CASE WHEN state IN ('applied', 'superseded', 'discarded') THEN at + interval '1 min' END
FROM (
    SELECT n, CASE WHEN n %% 2 = 0 THEN 0 ELSE (n * 7919) %% 40 END AS part,
        (ARRAY['value', 'check', 'null', 'decode', 'reference', 'unique', 'schema', 'behind'])[1 + n * 31 %% 8] AS kind,
        CASE WHEN n %% 100000 = 5 THEN 'discarded' WHEN n %% 1000 = 3 THEN 'replaying' WHEN n %% 100 < 3 THEN 'held'
            WHEN n %% 100 < 8 THEN 'retrying' WHEN n %% 100 < 55 THEN 'dead' WHEN n %% 100 < 80 THEN 'superseded'
            ELSE 'applied' END AS state,
        %(until)s::timestamptz - make_interval(secs => (1 - n::float8 / %(letters)s) * 86400 * %(days)s) AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
) AS made
"""
NOW = datetime(2026, 6, 1, tzinfo=UTC)
Question = Callable[[psycopg.Connection], object]


def questions(session: psycopg.Connection, letters: int) -> dict[str, Question]:
    """What people, and who looks at the group, ask, by name."""
    known = groups(session, GROUP, Selection(), 1000)
    large = max(known, key=lambda group: sum(group.states.values())).fingerprint
    hour, middle = NOW - timedelta(hours=1), NOW - timedelta(days=DAYS / 2)
    ((lowest, highest),) = session.execute("SELECT min(id), max(id) FROM headrace.letters").fetchall()
    deep = page(session, GROUP, Selection(), most=1, after=None)[0].place
    deep = type(deep)(NOW - timedelta(days=DAYS * 0.9), deep.id)
    selections = {
        "all": Selection(),
        "dead": Selection(states=("dead",)),
        "a rare state": Selection(states=("discarded",)),
        "open": Selection(states=("dead", "held", "retrying", "replaying")),
        "a large group": Selection(fingerprints=(large,)),
        "a large group, held": Selection(fingerprints=(large,), states=("held",)),
        "a kind": Selection(kinds=("record.null",)),
        "a topic": Selection(topics=("shop.public.t7",)),
        "a text that all have": Selection(text="right"),
        "a text that few have": Selection(text="after.c3"),
        "a table": Selection(tables=("public.t7",)),
        "a table, dead, of a kind": Selection(tables=("public.t7",), states=("dead",), kinds=("record.behind",)),
        "no such table": Selection(tables=("public.none",)),
        "the last hour": Selection(failed_since=hour),
        "a day long ago": Selection(failed_since=middle, failed_before=middle + timedelta(days=1)),
        "dead before the middle": Selection(states=("dead",), failed_before=middle),
        "a rare state, a day long ago": Selection(
            states=("replaying",), failed_since=middle, failed_before=middle + timedelta(days=1)
        ),
        "an hour without letters": Selection(failed_since=NOW + timedelta(hours=1)),
        "everything at once": Selection(
            states=("dead",), kinds=("record.behind",), tables=("public.t7",), text="refused", failed_before=middle
        ),
    }
    asked: dict[str, Question] = {
        "groups": lambda session: groups(session, GROUP, Selection(), 200),
        "groups, open, of a text": lambda session: groups(
            session, GROUP, Selection(states=("dead",), text="null"), 200
        ),
        "facets": lambda session: facets(session, GROUP, Selection()),
        "facets of a table": lambda session: facets(session, GROUP, Selection(tables=("public.t7",))),
        "a letter in full, the first": lambda session: whole(session, GROUP, lowest),
        "a letter in full, the last": lambda session: whole(session, GROUP, highest),
        "a page deep down, all": lambda session: page(session, GROUP, Selection(), most=50, after=deep),
        "a page deep down, dead": lambda session: page(
            session, GROUP, Selection(states=("dead",)), most=50, after=deep
        ),
        "the first letters of an export": _export,
        "the oldest of each open state": lambda session: session.execute(OPEN, {"group": GROUP}).fetchall(),
    }
    for name, selection in selections.items():
        asked[f"page: {name}"] = lambda session, chosen=selection: page(session, GROUP, chosen, most=50)
        asked[f"count: {name}"] = lambda session, chosen=selection: count(session, GROUP, chosen)
    return asked


def _export(session: psycopg.Connection) -> object:
    with exported(session, GROUP, Selection(states=("held",)), None) as found:
        return [next(found) for _ in range(AT_ONCE)]


def fill(session: psycopg.Connection, letters: int, at_once: int = 2000) -> None:
    """Write letters, in as many statements as batches would."""
    known = {"group": GROUP, "until": NOW, "letters": letters, "days": DAYS}
    for first in range(1, letters + 1, at_once):
        session.execute(_WRITE, {**known, "first": first, "last": min(first + at_once - 1, letters)})
    session.execute("VACUUM ANALYZE headrace.letters, headrace.letter_tallies, headrace.letter_groups")


def measured(session: psycopg.Connection, question: Question, times: int) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        question(session)
        taken.append((time.perf_counter() - begin) * 1000)
    cuts = quantiles(taken, n=20)
    return cuts[9], cuts[18]


@contextmanager
def opened(dsn: str | None) -> Iterator[str]:
    """A server's connection string: the one given, or that of a server of its own."""
    if dsn is not None:
        yield dsn
        return
    with TemporaryDirectory(prefix="headrace-scale-") as place:
        options = StackOptions(target_settings={"fsync": "off"})
        with Stack.open(Path(place), {TARGET}, options, Terminal(quiet_steps=True)) as stack:
            yield stack.endpoints.target_dsn


def main() -> int:
    """Fill, ask, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--dsn", help="a server that may be filled; without it one is started")
    chosen = parser.parse_args()
    table = Table("question", "median ms", "p95 ms", "")
    with opened(chosen.dsn) as dsn, connect(SessionSettings(dsn=dsn, worker="scale")) as session:
        migrate(session)
        if not count(session, GROUP, Selection()):
            fill(session, chosen.letters)
        late = 0
        for name, question in questions(session, chosen.letters).items():
            median, slow = measured(session, question, chosen.times)
            late += slow > MOST_MS
            table.add_row(name, f"{median:.1f}", f"{slow:.1f}", "above" if slow > MOST_MS else "")
        begin = time.perf_counter()
        sum_up(session, GROUP, 1.0)
        table.add_row("summing up", f"{(time.perf_counter() - begin) * 1000:.1f}", "", "once")
    Console(width=100).print(table)
    return 1 if late else 0


if __name__ == "__main__":
    raise SystemExit(main())
