"""Every metric that there is: name, meaning, labels, and who tells it.

`docs/reference/metrics.md` is written from here. Names follow Prometheus' rules: base units, the unit last, `_total`
for what only grows. No label has a key, an offset or anything of a row; topics and tables are bounded
(`telemetry.max_topics`).
"""

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "headrace_"


class Kind(StrEnum):
    """What can be asked of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Teller(StrEnum):
    """Which process has it."""

    WORKER = "each worker"
    GROUP = "one process of the group"
    ADMIN = "the admin process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric; `name` is whole, as it is scraped."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    teller: Teller = Teller.WORKER


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name=f"{PREFIX}{name}_total", kind=Kind.COUNTER, help=text, labels=labels)


def _gauge(name: str, text: str, *labels: str, teller: Teller = Teller.WORKER) -> Metric:
    return Metric(name=f"{PREFIX}{name}", kind=Kind.GAUGE, help=text, labels=labels, teller=teller)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(name=f"{PREFIX}{name}", kind=Kind.HISTOGRAM, help=text, labels=labels, buckets=buckets)


_STEPS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_DELAYS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)
_ROWS = (1, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000)
_BYTES = (1e3, 1e4, 1e5, 1e6, 4e6, 16e6, 32e6, 64e6, 128e6)
_GROUP = Teller.GROUP

# what a batch was

RECORDS_READ = _counter("records_read", "Records that batches were begun with, also again.", "topic")
DECODED = _counter(
    "decoded", "Values, keys and images that applied batches decoded, by the decoder: columnar or row.", "decoder"
)
RECORDS = _counter("records", "Records that were committed, by what became of them.", "outcome")
BATCHES = _counter("batches", "Batches, by what became of them: applied, or undone and tried otherwise.", "outcome")
BATCH_RECORDS = _histogram("batch_records", "Records of an applied batch.", _ROWS)
BATCH_ROWS = _histogram("batch_rows", "Rows that an applied batch wrote, after folding.", _ROWS)
BATCH_BYTES = _histogram("batch_bytes", "Bytes of an applied batch: its raw records and what was copied.", _BYTES)
BATCH_SECONDS = _histogram("batch_seconds", "How long a batch's transaction took, to its commit.", _STEPS)
STEP_SECONDS = _histogram(
    "step_seconds",
    "How long a step of a batch took: poll, plan (with decode in it), decode, stage, apply (with letters in it), "
    "letters, commit.",
    _STEPS,
    "step",
)
APPLY_LATENCY = _histogram(
    "apply_latency_seconds",
    "From Kafka's append of a record to its commit, of each record; not of letters that came back.",
    _DELAYS,
)
SOURCE_LATENCY = _histogram(
    "source_latency_seconds", "From the source's time of a change to its commit here, of each change.", _DELAYS
)

# what went wrong

FAILURES = _counter(
    "failures", "Failures, by what they are and what was done about them.", "error_type", "kind", "component", "route"
)
LETTERS = _counter("letters", "Letters that were written or tried again, by the state that they got.", "state")
CLOSED = _counter(
    "letters_closed",
    "Older letters that batches closed: superseded, or applied with their own record.",
    "state",
)
TABLE_APPLIED = _counter("table_records", "Records of a table that were committed, but for letters.", "table")
TABLE_ROWS = _counter(
    "table_rows",
    "Rows of a table that batches wrote, by action, and records that became letters.",
    "table",
    "outcome",
)
OVERTAKEN = _counter("fence_losses", "Partitions that another owner took while this one worked on them.")
REBALANCES = _counter("rebalances", "Times that the group moved partitions.", "event")
REBALANCED = _counter("rebalanced_partitions", "Partitions that it moved.", "event")
UNCOMMITTED = _counter(
    "group_commit_failures",
    "Commits of offsets to the group that failed; they serve lag tools only.",
    "code",
)
HEALED = _counter("healing", "What was put right without a hand, by what was done.", "act")
PAUSES = _counter("pauses", "Partitions that were not read on for a while, each time.", "reason")
LEFT_OUT = _counter("log_lines_left_out", "Lines that were kept out of the log, since there were too many like them.")

SPANS_DROPPED = _counter(
    "spans_dropped",
    "Spans of traces that the collector did not take, as one that is away, or that found no room to wait.",
)

# how a worker is

HELD = _gauge("partitions_held", "Partitions that the group has given to this worker.")
QUEUE_BATCHES = _gauge("queue_batches", "Batches that were read and wait to be applied.")
QUEUE_BYTES = _gauge("queue_bytes", "Their bytes.")
IN_FLIGHT = _gauge("batch_in_flight_records", "Records of the batch that is being applied.")
IN_FLIGHT_SECONDS = _gauge("batch_in_flight_seconds", "For how long it has been.")
PRESSURE = _gauge(
    "pressure_level",
    "What is not read for the sake of others: 1 bulk tables, 2 normal ones too, 3 nothing but turns; by its cause.",
    "reason",
)
CRITICAL_WAIT = _gauge("critical_wait_seconds", "From append to commit, of the last batch of critical tables.")
FLAGS_OFF = _gauge("flag_off", "1 for each flag that is off, as the worker has heard.", "flag")
BREAKER = _gauge("breaker_state", "1 for the state that the breaker in front of a server has.", "server", "state")
POOL_SESSIONS = _gauge("pool_sessions", "Sessions for short questions, by whether one is used.", "state")
POOL_LIMIT = _gauge("pool_limit_sessions", "Most of them (target.pool_size).")
POOL_WAITING = _gauge("pool_waiting_questions", "Questions that wait for one of them.")
POOL_ASKED = _counter("pool_questions", "Questions that were asked through the pool.")
POOL_WAITED = _counter("pool_wait_seconds", "Seconds that questions waited for a session.")
TURNED = _gauge("loop_turned_timestamp_seconds", "When a loop of the worker last turned.", "loop")
THREADS = _gauge("threads", "Threads of the process that Python knows of.")
OPEN_FILES = _gauge("open_files", "Open files and sockets of the process.")
FILES_LIMIT = _gauge("open_files_limit", "Most open files and sockets that the system lets the process have.")
DISK_FREE = _gauge("disk_free_bytes", "What is free of the disk that the process works on.")
MEMORY = _gauge("memory_bytes", "Memory that the process holds.")
STARTED = _gauge("started_timestamp_seconds", "When the process began.")
BUILD = _gauge("build_info", "Always 1; what runs is in the labels.", "version", "python", "librdkafka", "group")

# how the group is, told by one of its processes

LAG_RECORDS = _gauge("lag_records", "Records that are not applied.", "topic", "partition", teller=_GROUP)
LAG_SECONDS = _gauge(
    "lag_seconds", "How long the oldest of them has been in its log.", "topic", "partition", teller=_GROUP
)
TOPIC_LAG = _gauge(
    "topic_lag_seconds",
    "How long the oldest record of a topic has waited that is not applied, without partitions that a person paused.",
    "topic",
    teller=_GROUP,
)
LAG_PARTITIONS = _gauge(
    "lag_partitions",
    "Partitions by where their lag is going: ok, behind, stalled and others.",
    "topic",
    "trend",
    teller=_GROUP,
)
TABLE_RECORDS = _gauge("table_lag_records", "Records of a table that are not applied.", "table", teller=_GROUP)
TABLE_COMPLETE = _gauge(
    "table_complete_timestamp_seconds", "Up to which source time a table is complete.", "table", teller=_GROUP
)
LOOKED = _gauge(
    "lag_looked_timestamp_seconds", "When lag was last looked at, also where that is long ago.", teller=_GROUP
)
LETTERS_OPEN = _gauge("letters_open", "Letters that are open.", "state", teller=_GROUP)
LETTERS_OLDEST = _gauge(
    "letters_oldest_timestamp_seconds", "When the oldest open letter failed first.", "state", teller=_GROUP
)
LANE_DUE = _gauge("retry_due_letters", "Letters whose next attempt is due.", teller=_GROUP)
LANE_OVERDUE = _gauge(
    "retry_overdue_letters",
    "Letters whose next attempt has been due for over a minute; none while retry-lane is off.",
    teller=_GROUP,
)
LETTERS_UNPUBLISHED = _gauge(
    "letters_unpublished", "Letters whose copies are to be published, without those that a flag keeps.", teller=_GROUP
)
HEARTBEAT = _gauge(
    "source_heartbeat_timestamp_seconds", "When the source's last heartbeat came to Kafka.", teller=_GROUP
)
COMPARED_KEYS = _gauge(
    "reconcile_differing_rows",
    "Rows of a table that differed from the source when it was last compared: missing, extra, different, moving.",
    "table",
    "verdict",
    teller=_GROUP,
)
COMPARED_AT = _gauge(
    "reconcile_compared_timestamp_seconds", "When a table was last compared to its end.", "table", teller=_GROUP
)
DATA = _gauge("source_change_timestamp_seconds", "The newest source time of what is applied.", teller=_GROUP)
CONTROL_BYTES = _gauge("control_bytes", "Bytes of a table of the control schema.", "relation", teller=_GROUP)
TASKS = _gauge(
    "connect_tasks",
    "Tasks of a source connector that may write what is read, by state.",
    "connector",
    "state",
    teller=Teller.ADMIN,
)
CONNECTOR = _gauge(
    "connect_connector_state",
    "1 for the state of such a connector itself, which may fail before it has tasks.",
    "connector",
    "state",
    teller=Teller.ADMIN,
)
CONNECT_ANSWERED = _gauge(
    "connect_answered",
    "Whether Kafka Connect told of its connectors when it was last asked: 1, or 0.",
    teller=Teller.ADMIN,
)

# names that other tools' boards ask for

GROUP_LAG = Metric(
    name="kafka_consumergroup_lag",
    kind=Kind.GAUGE,
    help="As headrace_lag_records, for boards of kafka_exporter (telemetry.kafka_names).",
    labels=("consumergroup", "topic", "partition"),
    teller=_GROUP,
)
GROUP_OFFSET = Metric(
    name="kafka_consumergroup_current_offset",
    kind=Kind.GAUGE,
    help="The stored position, for the same boards.",
    labels=("consumergroup", "topic", "partition"),
    teller=_GROUP,
)
GROUP_LAG_SUM = Metric(
    name="kafka_consumergroup_lag_sum",
    kind=Kind.GAUGE,
    help="The sum over a topic's partitions, for the same boards.",
    labels=("consumergroup", "topic"),
    teller=_GROUP,
)

METRICS: tuple[Metric, ...] = tuple(each for each in globals().values() if isinstance(each, Metric))
"""All of them, in the order of this page."""
