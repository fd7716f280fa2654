"""The results page's section on rolling restarts. Pure."""

from collections.abc import Sequence

from consumer.bench import modes
from consumer.bench.store import Result
from consumer.bench.summary import Verdict

RECOVERED_SECONDS = 15.0

TOLD = """Each worker in turn is told to leave (SIGTERM), waited for, and replaced, while recorded events come at a
steady rate; the next one has its turn when partitions are spread evenly again, and not before the gap is over. A
record's wait is from its append in Kafka (`LogAppendTime`) to the moment at which its partition's position was seen
behind it, looked at every 10 ms. Triggers in the target note each row that is written and each position that is moved:
a row written twice, a range that does not begin where the last one ended, or a row that differs from the source's makes
a run wrong.

- **stood still**: the longest wait of a record, by partition, from one restart to the next: of the median partition,
  and of the one that stood longest, each of the worst restart.
- **well again**: seconds from SIGTERM to the end of the last second whose records had a p99 over 1 s, of the worst
  restart.
- **left**, **even**: seconds from SIGTERM to the process's end, and until all workers own their share again (worst).

"""

HEAD = (
    "",
    "workers",
    "partitions",
    "events/s",
    "p99 ms before",
    "stood still, median s",
    "stood still, longest s",
    "well again s",
    "left s",
    "even s",
    "load before",
    "all right",
)


def newest(results: Sequence[Result]) -> list[Result]:
    """The last run in each mode."""
    found = {each.contender: each for each in results if each.scenario == modes.ROLLING}
    return [found[name] for name in modes.NAMES if name in found]


def row(result: Result) -> tuple[str, ...]:
    """A line of the table."""
    details = result.details
    each = details["restarts"]
    return (
        result.contender,
        str(details["workers"]),
        str(details["partitions"]),
        f"{result.rate:,.0f}",
        f"{details['calm_p99']:g}",
        f"{details['typical']:g}",
        f"{details['longest']:g}",
        f"{details['recovered']:g}",
        f"{max(one['left'] for one in each):g}",
        f"{max(one['settled'] for one in each):g}",
        f"{result.load_before:g}",
        "yes" if result.correct else "**no**",
    )


def verdict(result: Result) -> Verdict:
    """Whether p99 was back in time after every restart."""
    what = "seconds until p99 is under 1 s again"
    return Verdict(what=what, asked=RECOVERED_SECONDS, measured=result.details["recovered"], at_most=True)
