"""Settings of the process itself, and of what it keeps."""

import re
import socket
from typing import Literal

from pydantic import (
    Field,
    SecretStr,
)

from consumer.settings.section import Section

# characters of a worker's name, to which each process adds what makes it its own
MOST_NAME = 40
# megabytes with which a worker can do anything: at rest it holds up to 214
LEAST_MEMORY = 256


class Secrets(Section):
    """What nobody else may know. Set it in the environment, not in the file."""

    hash_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Key of the hashes that stand in the place of values (hash of a column), at least 16 characters. "
        "With another key every hash is another.",
    )


def lent_name(host: str) -> str:
    """A worker's name by its host's, brought within what a name may be: what is too long keeps its end, as pods'."""
    if len(host) > MOST_NAME:
        host = host.partition(".")[0][-MOST_NAME:].lstrip("-")
    return re.sub(r"[^A-Za-z0-9_.-]", "-", host) or "worker"


def host_name() -> str:
    """That of this machine."""
    return lent_name(socket.gethostname())


class Worker(Section):
    """The process itself."""

    name: str = Field(
        default_factory=host_name,
        pattern=rf"^[A-Za-z0-9_.-]{{1,{MOST_NAME}}}$",
        description="Begins its name in positions and ledger: up to 40 letters, digits, dots, dashes or underscores. "
        "Default: the host's name, without what does not fit.",
    )
    drain_timeout: float = Field(
        default=20.0, ge=1, le=600, description="Seconds that a stop gives the batch in flight to finish."
    )
    stop_within: float | None = Field(
        default=None,
        ge=2,
        le=3600,
        description="Seconds after which whoever stops the process kills it, as Kubernetes' "
        "terminationGracePeriodSeconds; if it is set, the process itself ends before, whatever is left to close. At "
        "least worker.drain_timeout and 5 seconds.",
    )
    stall_timeout: float = Field(
        default=120.0,
        ge=5,
        le=3600,
        description="Seconds without a turn of a loop after which the process ends; more than kafka.request_timeout, "
        "target.batch_deadline and target.connect_timeout together. So does one in which no thread "
        "runs at all.",
    )
    memory_mb: int | None = Field(
        default=None,
        ge=LEAST_MEMORY,
        le=1_048_576,
        description="Megabytes that a worker should hold at most. From nine tenths of it on batches are made smaller "
        "and tables are paused, by priority, in the end all but for turns, until it holds less. Default: the limit of "
        "its container, if there is one, or its part of that where several workers run in it (--workers).",
    )
    decode_deadline: float = Field(
        default=20.0,
        ge=1,
        le=600,
        description="Seconds that one native decoding may take before its records are marked.",
    )


class Control(Section):
    """What workers say of themselves, and what they are told."""

    report_every: float = Field(
        default=1.0,
        ge=0.2,
        le=60,
        description="Seconds between a worker's reports in headrace.workers, with which it also looks for what was "
        "decided. It hears of that at once as long as its session there lives.",
    )
    keep_hours: float = Field(
        default=24.0,
        ge=0.01,
        le=8760,
        description="Hours that a worker is shown which is gone without having left, and that commands are kept.",
    )


class Healing(Section):
    """What is put right without a hand, and how often."""

    connect_restarts: int = Field(
        default=3,
        ge=0,
        le=100,
        description="How often in an hour what has failed of a source connector is started again, where connect.url is "
        "set and Kafka Connect tells that it has written a topic that is read, the one of source.heartbeat_topic, or "
        "source.topic_prefix itself; after 10 seconds, then twice as long each time. 0: never.",
    )
    worker_deaths: int = Field(
        default=5,
        ge=0,
        le=100,
        description="How often a worker of `headrace run --workers` may die within healing.worker_window and be "
        "started again; once more, and the service ends.",
    )
    worker_window: float = Field(default=60.0, ge=1, le=86_400, description="Seconds for which deaths are counted.")
    keep_hours: float = Field(default=720.0, ge=1, le=8760, description="Hours that acts are kept in headrace.healing.")


class Ledger(Section):
    """The batch ledger."""

    keep_hours: float = Field(default=72.0, ge=1, le=8760, description="Hours that rows of the ledger are kept.")


class Log(Section):
    """The log."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level written.")
    format: Literal["console", "json"] = Field(default="json", description="json for machines, console for people.")
    burst: int = Field(
        default=20,
        ge=1,
        le=100_000,
        description="Most lines of one event that are written in a second, but for those of the level debug; how many "
        "more there were is said.",
    )
