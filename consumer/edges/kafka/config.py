"""How the clients are configured.

The position in PostgreSQL decides where reading goes on, so offsets are never reset by the client
(`auto.offset.reset=error`).
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException

from consumer.core.classify import of_kafka
from consumer.core.failure import Persistent, Refused, Transient, failed, told
from consumer.core.failure_kind import ErrorType, FailureKind, Scope
from consumer.core.kinds import KINDS
from consumer.core.topic_expressions import shared

log = structlog.get_logger("headrace.kafka")

# never matched by a pattern, unless they are named as well: internal topics, those of Kafka Connect and registries
_NEVER = (
    "^__consumer_offsets$",
    "^__transaction_state$",
    "^__share_group_state$",
    "^__cluster_metadata$",
    # with dashes at most, so that no table is meant: reconnect_status, shop.public.connect_status
    "^([^.]*-)?connect-(configs|offsets|status)$",
    "^connect[_.](configs|offsets|status)$",
    "^_schemas$",
)
# seconds between two lines of one code
_EACH = 60.0
# what is said of any client; the rest is the group member's
_COMMON = (
    *("security.", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.", "https."),
    *("socket.", "broker.", "client.", "test.", "metadata."),
)
# of TLS 1.3, in which the handshake is over for us before the other side has looked at our certificate
_ALERT = "SSL alert number"
_INCREMENTAL = ("cooperative-sticky",)
# of the older group protocols
_CLASSIC = {"partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """How the client talks to the cluster. Times in seconds."""

    bootstrap_servers: str
    group: str
    topics: tuple[str, ...]
    initial: str = "earliest"
    client: Mapping[str, str] = field(default_factory=dict)
    request_timeout: float = 30.0
    metadata_refresh: float = 10.0
    prefetch_kbytes: int = 65_536
    # expressions of topics that are no sources, and which of them are read all the same
    ignore: tuple[str, ...] = ()
    lane: tuple[str, ...] = ()
    # expressions of other consumers' dead-letter topics
    dead: tuple[str, ...] = ()


def selects(settings: KafkaSettings, topic: str) -> bool:
    """Whether the settings select a topic; internal topics never match a pattern."""
    plain = {name for name in settings.topics if not name.startswith("^")}
    if topic in plain:
        return True
    if any(re.search(pattern, topic) for pattern in (*_NEVER, *settings.ignore, *map(shared, settings.dead))):
        return False
    return any(re.search(asked, topic) for asked in _asked(settings) if asked.startswith("^"))


def subscription(settings: KafkaSettings) -> list[str]:
    """What the group member asks for: names and expressions, those of the lane among them."""
    return [*_asked(settings), *settings.lane]


def _asked(settings: KafkaSettings) -> list[str]:
    return [shared(topic) if topic.startswith("^") else topic for topic in settings.topics]


def _hidden(settings: KafkaSettings) -> Iterator[str]:
    """What the member is not to see: it would not see a topic that is named either."""
    named = [name for name in settings.topics if not name.startswith("^")]
    return (pattern for pattern in _NEVER if not any(re.search(pattern, name) for name in named))


def is_dead_letters(settings: KafkaSettings, wanted: Sequence[str], topic: str) -> bool:
    """Whether a topic is one of these dead-letter topics: names, and expressions, which never mean what is a source."""
    if topic in wanted:
        return True
    return selects(replace(settings, topics=tuple(wanted), dead=()), topic) and not selects(settings, topic)


def common_config(settings: KafkaSettings) -> dict[str, Any]:
    """What every client has."""
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "socket.timeout.ms": int(settings.request_timeout * 1000),
        # critical ones only: what fails is told to `error_cb`, which counts it instead of flooding the log
        "log_level": 2,
        "error_cb": ErrorLog(),
    } | {name: value for name, value in settings.client.items() if _is_common(name)}


def reading_config(settings: KafkaSettings) -> dict[str, Any]:
    """What every client has that reads.

    One that begins anew by itself when nobody answers lets go of all brokers, and two of its threads may wait for
    each other for ever then (librdkafka issue 5476, seen with 2.16), as they rarely may otherwise. Whoever reads makes
    another client instead.
    """
    return {"metadata.recovery.strategy": "none", **common_config(settings)}


def _is_common(name: str) -> bool:
    return name.startswith(_COMMON)


def consumer_config(settings: KafkaSettings) -> dict[str, object]:
    """What the group member has."""
    config: dict[str, object] = {
        **reading_config(settings),
        "group.id": settings.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "cooperative-sticky",
        # Members learn of a rebalance by their next heartbeat, and partitions that change hands stand still until the
        # last one has: tried, 3.9 s with the client's default of three.
        "heartbeat.interval.ms": 500,
        "allow.auto.create.topics": False,
        "topic.metadata.refresh.interval.ms": int(settings.metadata_refresh * 1000),
        "topic.blacklist": ",".join(
            (
                *_hidden(settings),
                *map(shared, settings.dead),
                *(name for name in settings.ignore if name not in settings.lane),
            )
        ),
        "queued.max.messages.kbytes": settings.prefetch_kbytes,
        # Long runs of one partition make batches of few tables, each with many rows. With 4 MiB a worker behind 200
        # partitions took 649 MB, however small an answer may be as a whole.
        "fetch.message.max.bytes": 2 << 20,
        # librdkafka stalls a full queue for a second by default
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 100,
        **settings.client,
    }
    if config.get("group.protocol") == "consumer":
        if told := sorted(_CLASSIC & settings.client.keys()):
            log.warning("the brokers say these settings with group.protocol=consumer; they are left out", settings=told)
        return {name: value for name, value in config.items() if name not in _CLASSIC}
    return config


def is_incremental(config: Mapping[str, object]) -> bool:
    """Whether assignments come as changes (cooperative, KIP-848) instead of whole."""
    return config.get("group.protocol") == "consumer" or config.get("partition.assignment.strategy") in _INCREMENTAL


@contextmanager
def configuring(what: str = "") -> Iterator[None]:
    """Raises Refused for settings that librdkafka does not take. `what`: of which it does not say it itself."""
    try:
        yield
    except KafkaException as error:
        said = f"{error.args[0].str()}{what}"
        raise Refused(failed(KINDS["kafka.configuration"], "kafka", "configure", said)) from error


@contextmanager
def asking(operation: str) -> Iterator[None]:
    """Client errors and answers that do not come, as ours. Raises Transient, or Persistent for fatal errors."""
    try:
        yield
    except KafkaException as error:
        raise translated(error, operation) from error
    except TimeoutError as error:
        failure = failed(KINDS["kafka.away"], "kafka", operation, "the cluster did not answer in time")
        raise Transient(failure) from error


class ErrorLog:
    """Logs what one client says beside its answers: each code at once, then once a minute with its number since."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}
        self._times: dict[str, int] = {}

    def __call__(self, error: KafkaError) -> None:
        code, now = error.name(), self._clock()
        times = self._times[code] = self._times.get(code, 0) + 1
        if now >= self._next.get(code, now):
            failure = failed(kind_of(error), "kafka", "client", error.str(), code=code)
            log.warning("kafka client", fatal=error.fatal(), times=times, **told(failure))
            self._next[code] = now + _EACH
            self._times[code] = 0


def kind_of(error: KafkaError) -> FailureKind:
    """By its code; that a broker refuses our certificate is told by its words alone, as a connection that is lost."""
    if _ALERT in error.str():
        return KINDS["kafka.tls"]
    return of_kafka(error.name(), fatal=error.fatal())


def translated(error: KafkaException, operation: str) -> Transient | Persistent:
    """A client error as ours: fatal ones and refused credentials are persistent, the rest is for time."""
    cause = error.args[0]
    kind = kind_of(cause)
    failure = failed(kind, "kafka", operation, cause.str(), code=cause.name())
    lasting = kind.scope is Scope.ENVIRONMENT and kind.type is ErrorType.PERSISTENT
    return Persistent(failure) if lasting else Transient(failure)
