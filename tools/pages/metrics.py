"""The metrics page, from `consumer.telemetry.metrics`."""

from consumer.telemetry.metrics import METRICS, Kind, Metric, Teller
from tools.pages.markdown import code, codes, page, table

_INTRO = """\
What `/metrics` serves ([how to watch](../how-to/watch-with-prometheus.md)). Counters begin at zero with each process.
Nothing here has a label with a key, an offset or anything of a row. Topics beyond `telemetry.max_topics`, and
partitions beyond `telemetry.max_partitions`, are one more, `other`; tables beyond are left out."""
_TOLD = {
    Teller.WORKER: (
        "Each worker",
        "Each worker process has its own, on its own port. `headrace_build_info`, threads, files and memory are of the "
        "supervisor and the admin process too.",
    ),
    Teller.GROUP: (
        "One process of the group",
        "The same for whoever asks, so one tells it: the worker that lives longest, or the admin process while no "
        "worker lives. They stay at their last values while that process can't look; "
        "`headrace_lag_looked_timestamp_seconds` says since when.",
    ),
    Teller.ADMIN: ("The admin process", "What Kafka Connect says is told by `headrace admin serve` alone."),
}


def metrics_page() -> str:
    """The page."""
    return page("Metrics", _INTRO, *(_section(teller) for teller in Teller))


def _section(teller: Teller) -> str:
    title, intro = _TOLD[teller]
    rows = [
        (code(each.name), each.kind.value, codes(each.labels), each.help + _buckets(each))
        for each in METRICS
        if each.teller is teller
    ]
    return f"## {title}\n\n{intro}\n\n{table(('metric', 'kind', 'labels', 'meaning'), rows)}"


def _buckets(metric: Metric) -> str:
    if metric.kind is not Kind.HISTOGRAM:
        return ""
    return f" Buckets: {', '.join(f'{each:g}' for each in metric.buckets)}."
