"""How fast a job sends letters again, without Kafka: `python -m tests.scale.replay`.

Steps, claims, confirmations and letters that come back are the program's own, on a server of its own, one after the
other in one thread. What each costs a letter is told.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import psycopg
from rich.console import Console
from rich.table import Table

from consumer.applying.apart import Apart
from consumer.applying.returns import Judges, Returns
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.letterhead import Codec
from consumer.core.policy import Policy
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.aside import LetterBounds
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.migrate import migrate
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.letters import Posted, Unposted
from consumer.ports.target import Start, Taken
from dlq.headers import decode, encode
from tests.pg.job_scene import Scene
from tests.pg.pipeline import Pipeline
from tests.scale.index import opened

GROUP = "scale"
FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "amount", "type": "int"},
]
AT_ONCE = 500
_WHY = failed(KINDS["record.check"], "postgres", "upsert", "it did not fit")
T = TypeVar("T")


def dead_letters(session: psycopg.Connection, line: Pipeline, sink: PostgresSink, letters: int) -> None:
    """Rows that nobody takes; the table would."""
    for first in range(0, letters, 2000):
        rows = [{"id": number, "word": "w", "amount": number} for number in range(first, min(letters, first + 2000))]
        refused = {RecordRef(line.at, line.next_offset + place): _WHY for place in range(len(rows))}
        sink.apply(plan := line.plan(*(("c", row) for row in rows), refused=refused))
        line.next_offset = plan.slices[0].end
    session.execute("UPDATE headrace.letters SET published_attempt = attempt")
    session.execute("VACUUM ANALYZE")


def copies_of(claimed: list[Unposted], taken: Taken, start: int) -> Slice:
    """Copies, as they lie in the retry topic."""
    heads = {start + place: tuple(encode(copy.head, copy.headers)) for place, copy in enumerate(claimed)}
    return Slice(
        at=taken.at,
        epoch=taken.epoch,
        start=start,
        end=start + len(claimed),
        offsets=list(heads),
        keys=[copy.key for copy in claimed],
        values=[copy.value for copy in claimed],
        headers=heads.__getitem__,
    )


def main() -> int:
    """Make letters, send them, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=20_000)
    letters = parser.parse_args().letters
    spent: dict[str, float] = {}

    def timed(what: str, act: Callable[[], T]) -> T:
        begin = time.perf_counter()
        done = act()
        spent[what] = spent.get(what, 0.0) + time.perf_counter() - begin
        return done

    with opened(None) as dsn:
        settings = SessionSettings(dsn=dsn, worker="scale")
        with (
            connect(settings) as session,
            closing(TargetPool(settings, CircuitBreaker("target"))) as pool,
            closing(PostgresSink(settings, GROUP, LetterBounds(max_unpublished=10 * letters))) as sink,
        ):
            migrate(session)
            sink.open()
            sink.seed({})
            session.execute("CREATE TABLE public.orders (id bigint PRIMARY KEY, word text, amount int)")
            line = Pipeline(sink, PostgresCatalog(pool, GROUP), "public", FIELDS)
            dead_letters(session, line, sink, letters)
            scene, outbox = Scene(session, pool, GROUP), PostgresOutbox(pool, GROUP, ())
            number = scene.start()
            (taken,) = sink.take({TopicPartition(f"{GROUP}.retry.1", 0): Start(offset=0)})
            judges = Judges(codec=Codec(encode=encode, decode=decode), policy=Policy())
            # no letter here only points to its record
            returns = Returns(sink, Apart(line.planner, line.binder), None, judges)
            offset = taken.next_offset
            while scene.job(number).state != "done":
                scene.rested(number)
                timed("steps of the job", scene.step)
                if not (claimed := timed("claims", lambda: outbox.claim(AT_ONCE, 60))):
                    continue
                at = taken.at
                posted = [
                    Posted(id=copy.id, attempt=copy.head.attempt, topic=at.topic, partition=at.partition, offset=0)
                    for copy in claimed
                ]
                timed("confirmations", lambda posted=posted: outbox.confirm(posted))
                piece = copies_of(claimed, taken, offset)
                left: tuple[Slice, ...] = (piece,)
                while left:
                    left = timed("applying", lambda left=left: returns.work(left).left)
                offset = piece.end
            assert scene.job(number).counts == {"applied": letters}
    table = Table("of a letter", "µs")
    for what, seconds in spent.items():
        table.add_row(what, f"{seconds / letters * 1e6:.0f}")
    table.add_row("letters a second", f"{letters / sum(spent.values()):.0f}", style="bold")
    Console(width=100).print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
