"""Workers as they report themselves."""

from datetime import UTC, datetime

from consumer.core.records import TopicPartition
from consumer.ports.control import Worker


def worker_of(at: TopicPartition, state: str, server: str = "target") -> Worker:
    """A worker that holds a partition, with the breaker of a server in a state."""
    now = datetime.now(UTC)
    return Worker(
        name="w", host="h", pid=1, version="1", state="running", started_at=now, seen_at=now, quiet=0.0, every=1.0,
        partitions=[list(at)], batch=None, queue_batches=0, queue_bytes=0, rss_bytes=None,
        breakers=[{"name": server, "state": state, "detail": "no answer"}], metrics_port=None,
    )  # fmt: skip
