"""How long a scrape takes with many partitions: `python -m tests.scale.scrape`.

Over HTTP, of a process that has counted batches of many topics and tells lag and letters of the group. It ends with 1
when the 95th percentile is above 300 ms.
"""

import argparse
import time
import urllib.request
from datetime import UTC, datetime
from statistics import quantiles

from consumer.core.lag import Going, Lag
from consumer.core.plan import Counts, Plan
from consumer.core.records import Appended, Slice, TopicPartition
from consumer.core.trend import Trend
from consumer.ports.facts import Began, Committed
from consumer.ports.outlook import Fresh, Judged, Letters, Sight, Stored
from consumer.ports.target import Applied
from consumer.telemetry.grouping import GroupSamples
from consumer.telemetry.labels import Bounded
from consumer.telemetry.watchers import Watchers

MOST_MS = 300.0
PARTITIONS_OF_A_TOPIC = 10


def main() -> int:
    """Measure and tell."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--partitions", type=int, default=1000)
    arguments.add_argument("--scrapes", type=int, default=100)
    wanted = arguments.parse_args()
    places = [TopicPartition(f"shop.public.t{n // PARTITIONS_OF_A_TOPIC}", n % 10) for n in range(wanted.partitions)]
    told = Watchers(Bounded(1000))
    counted(told, places)
    group = GroupSamples(
        group="scale",
        topics=told.topics,
        tables=Bounded(1000),
        partitions=wanted.partitions,
        kafka_names=False,
        reads=lambda _: True,
    )
    sight = seen(places)
    told.ask(lambda: group.of(sight))
    with told.serving("127.0.0.1", 0):
        times, series = scraped(told.port, wanted.scrapes)
    p95 = quantiles(times, n=20)[-1]
    print(
        f"{wanted.partitions} partitions, {series} series: median {quantiles(times, n=2)[0]:.0f} ms, p95 {p95:.0f} ms"
    )
    return 1 if p95 > MOST_MS else 0


def counted(told: Watchers, places: list[TopicPartition]) -> None:
    """Batches of all topics."""
    for at in places:
        piece = Slice(at=at, epoch=1, start=0, end=1, offsets=(0,), appended=(Appended(0, 1),))
        told.tell(Began(slices=(piece,), lane=False, polled=None))
        plan = Plan(slices=(piece,), stages=(), counts=Counts(records=1, upserts=1))
        told.tell(Committed(Applied(plan=plan, seconds=0.1, durations={})))


def seen(places: list[TopicPartition]) -> Sight:
    """A look at the group."""
    now = datetime.now(UTC)
    lags = [Lag(at=at, tables=(), position=1, end=9, records=8, seconds=1.5, going=Going.BEHIND) for at in places]
    tables = [Fresh(table=at.topic, complete_to=now, newest_change=now, records=8) for at in places if not at.partition]
    stored = Stored(letters=Letters(open={"dead": (3, now)}), tables=tables, sizes={"letters": 1})
    return Sight(at=now, partitions=[Judged(lag, Trend.BEHIND) for lag in lags], heartbeat=None, stored=stored)


def scraped(port: int | None, scrapes: int) -> tuple[list[float], int]:
    """Milliseconds of each, and how many series there are."""
    times, body = [], b""
    for _ in range(scrapes):
        began = time.perf_counter()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            body = answer.read()
        times.append((time.perf_counter() - began) * 1000)
    return times, sum(1 for line in body.splitlines() if not line.startswith(b"#"))


if __name__ == "__main__":
    raise SystemExit(main())
