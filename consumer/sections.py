"""The sections of the settings: each value with its bounds, its default and what it means."""

import re
import socket
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from consumer.core.lane import BadTopic, check_dead_pattern, check_retry_pattern
from consumer.core.markers import UNAVAILABLE, BadPlaceholder, Placeholders
from consumer.core.naming import BadName, check_template
from consumer.core.policy import JITTER

RESERVED = frozenset(
    {
        "bootstrap.servers",
        "group.id",
        "auto.offset.reset",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "isolation.level",
        "topic.blacklist",
        "allow.auto.create.topics",
    }
)
"""Client settings that are not for users to change."""
# characters of a worker's name, to which each process adds what makes it its own
MOST_NAME = 40
# megabytes with which a worker can do anything
LEAST_MEMORY = 128


def _as_text(value: object) -> object:
    """The client takes texts; numbers, and yes or no, may be written as such."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


ClientValue = Annotated[
    str, BeforeValidator(_as_text), WithJsonSchema({"type": ["string", "integer", "number", "boolean"]})
]
IdPlaces = Literal["prefix", "headers", "global-ids", "content-ids"]
"""Where schema ids are."""

_CCOMPAT = re.compile(r"(.*)/apis/ccompat/v\d+/?")


def checked_patterns(topics: list[str]) -> list[str]:
    """The topics. Raises ValueError for one that begins as a regular expression and is none."""
    for topic in topics:
        if not topic:
            raise ValueError("an empty name is no topic")
        if topic.startswith("^"):
            try:
                re.compile(topic)
            except re.error as error:
                raise ValueError(f"{topic!r} is not a regular expression: {error}") from error
    return topics


def _exactly(topic: str) -> str:
    # of a legal name's characters only the dot means something
    return "^" + topic.replace(".", r"\.") + "$"


class Section(BaseModel):
    """One section; unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Kafka(Section):
    """The topics and how they are read."""

    bootstrap_servers: str = Field(min_length=1, description="Brokers to start from, as host:port, comma-separated.")
    group: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default="headrace", description="Consumer group; positions are kept under this name."
    )
    topics: Annotated[list[str], Field(min_length=1)] = Field(
        description="Topics to apply; an entry that starts with ^ is a regular expression."
    )
    initial: str = Field(
        default="earliest",
        pattern=r"^(earliest|latest|group:.+)$",
        description="Where a group begins that never ran: earliest, latest, or group:<name> to take over "
        "another group's offsets. Counts only for what exists at the first start.",
    )
    client: dict[str, ClientValue] = Field(default={}, description="Passed to librdkafka as it is.")
    request_timeout: float = Field(default=30.0, ge=1, le=300, description="Seconds that a broker may take to answer.")
    metadata_refresh: float = Field(
        default=10.0, ge=1, le=3600, description="Seconds between looks for new topics that match a pattern."
    )
    prefetch_kbytes: int = Field(
        default=65_536, ge=1024, le=1_048_576, description="Most kilobytes fetched ahead by the client."
    )

    @field_validator("client")
    @classmethod
    def _ours(cls, client: dict[str, str]) -> dict[str, str]:
        taken = sorted(RESERVED & client.keys())
        if taken:
            raise ValueError(f"{', '.join(taken)} can't be set here: the guarantees rest on Headrace's own values")
        return client

    @field_validator("topics")
    @classmethod
    def _patterns(cls, topics: list[str]) -> list[str]:
        return checked_patterns(topics)


class Registry(Section):
    """The schema registry."""

    url: str = Field(pattern=r"^https?://", description="Base of the registry's Confluent API.")
    timeout: float = Field(default=10.0, ge=0.5, le=120, description="Seconds that the registry may take to answer.")
    user: str = Field(default="", description="User for basic authentication, if it is asked for.")
    password: SecretStr | None = Field(
        default=None, description="Its password. Set it in the environment, not in the file."
    )
    password_file: Path | None = Field(
        default=None, description="Instead of the password: a file whose first line it is, as a secret that is mounted."
    )
    token: SecretStr | None = Field(
        default=None, description="A bearer token, instead of a user. Set it in the environment, not in the file."
    )
    token_file: Path | None = Field(default=None, description="Instead of the token: a file whose first line it is.")
    ca_file: Path | None = Field(
        default=None, description="Certificates in PEM by which the registry's is checked; by default the system's."
    )
    unknown_grace: float = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="Seconds that a schema id is waited for which the registry does not know, since replicas may be "
        "behind; then its records become letters. Other partitions go on. A topic in which one was waited for in vain "
        "gets no grace for ten times as long.",
    )
    apicurio_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Base of Apicurio's own API, where its global and content ids are looked up. Default: that of the "
        "same server, if url ends in /apis/ccompat/ and a version.",
    )

    @model_validator(mode="after")
    def _one_login(self) -> "Registry":
        if self.password is not None and self.password_file is not None:
            raise ValueError("set either password or password_file")
        if self.token is not None and self.token_file is not None:
            raise ValueError("set either token or token_file")
        if self.user and (self.token is not None or self.token_file is not None):
            raise ValueError("set either user or a token")
        return self

    @property
    def apicurio(self) -> str | None:
        """Where Apicurio's own API is, as far as that is known."""
        if self.apicurio_url is not None:
            return self.apicurio_url
        found = _CCOMPAT.fullmatch(self.url)
        return None if found is None else f"{found[1]}/apis/registry/v2"


class Source(Section):
    """What the connectors were told."""

    unavailable_values: Annotated[list[str], Field(min_length=1, max_length=16)] = Field(
        default=[UNAVAILABLE],
        description="What the connectors write for values that the source's log did not carry, each as its "
        "unavailable.value.placeholder: a text, or hex: and digits. Such a column is left alone.",
    )

    connector: Literal["postgresql", "mysql"] = Field(
        default="postgresql",
        description="The source's SQL, in which it is asked for rows again; mysql stands for MariaDB too.",
    )
    topic_prefix: str = Field(
        default="",
        description="The connector's topic.prefix, which is the key of its signals. Empty: it is asked for nothing.",
    )
    signal_topic: str = Field(
        default="",
        description="The connector's signal.kafka.topic, of one partition. Empty: `<topic_prefix>-signal`, as there.",
    )
    schema_ids: IdPlaces = Field(
        default="prefix",
        description="Where the converters put the ids of schemas. prefix: a zero byte and four bytes in front of key "
        "and value. headers: in the record's headers, as Confluent or Apicurio write them. global-ids, content-ids: a "
        "zero byte and eight bytes in front, Apicurio's ids of these kinds. By topic with schema_ids of the topic.",
    )

    dsn: str = Field(
        default="",
        description="libpq connection string of the source's database, for comparisons (headrace reconcile) alone, "
        "which only read; keep the password out of it. Empty: nothing is compared. PostgreSQL only, and no standby.",
    )
    slot: str = Field(
        default="",
        description="The connector's slot.name there. Empty: the only logical slot of that database.",
    )
    heartbeat_topic: str = Field(
        default="",
        description="Its topic of heartbeats, by which it is known that a source without changes is not silent. Empty: "
        "`__debezium-heartbeat.<topic_prefix>`, as there, or none without a topic_prefix.",
    )

    @property
    def heartbeats(self) -> str:
        """The topic of heartbeats; empty where there is none."""
        known = f"__debezium-heartbeat.{self.topic_prefix}" if self.topic_prefix else ""
        return self.heartbeat_topic or known

    @field_validator("unavailable_values")
    @classmethod
    def _placeholders(cls, settings: list[str]) -> list[str]:
        try:
            Placeholders(settings)
        except BadPlaceholder as error:
            raise ValueError(str(error)) from error
        return settings


class Target(Section):
    """The database that is written."""

    dsn: str = Field(min_length=1, description="libpq connection string of the target; keep the password out of it.")
    table: str = Field(
        default="{schema}.{table}",
        description="Template of the target table's name, from {schema}, {table}, {db} of the source and {topic}.",
    )
    create: bool = Field(default=True, description="Create a missing target table from its schema.")
    constraints: Literal["check", "trust-source"] = Field(
        default="check",
        description="trust-source applies under session_replication_role = replica, as logical replication does.",
    )
    synchronous_commit: Literal["on", "off", "local", "remote_write", "remote_apply"] = Field(
        default="on",
        description="Durability of batch transactions. off is sound: rows and positions are lost together.",
    )
    connect_timeout: int = Field(default=10, ge=1, le=300, description="Seconds that a connection may take.")
    batch_deadline: float = Field(
        default=30.0, ge=1, le=1800, description="Seconds after which a statement or lock wait of a batch is given up."
    )
    keep_moved_hours: float = Field(
        default=24.0,
        ge=0.01,
        le=8760,
        description="Hours that the large columns of a row whose key changed are kept for the create of its new key, "
        "which may lack them.",
    )
    max_moved_rows: int = Field(
        default=1_000_000,
        ge=1,
        le=1_000_000_000,
        description="Most rows of one table of which that is kept, at least batch.max_rows * batch.growth. A table "
        "that has more stops, until creates have taken theirs or their time is over.",
    )
    max_moved_bytes: int = Field(
        default=1 << 30,
        ge=1 << 20,
        le=1 << 40,
        description="Most bytes of one table that are kept so; beyond them it stops as well.",
    )
    pool_size: int = Field(
        default=4,
        ge=1,
        le=32,
        description="Most sessions of a worker beside that of its batches, for short questions; opened when needed.",
    )
    pool_idle: float = Field(
        default=300.0, ge=1, le=86_400, description="Seconds after which such a session is closed when nobody used it."
    )
    pool_lifetime: float = Field(
        default=3600.0, ge=10, le=86_400, description="Seconds after which such a session is replaced by a new one."
    )

    @field_validator("table")
    @classmethod
    def _template(cls, template: str) -> str:
        try:
            check_template(template)
        except BadName as error:
            raise ValueError(str(error)) from error
        return template


class Breaker(Section):
    """When target or registry, being away, are not asked any more but for one question at a time."""

    failures: int = Field(default=3, ge=1, le=100, description="Failures in a row after which a server counts as away.")
    reset: float = Field(
        default=2.0, ge=0.1, le=300, description="Seconds between looks whether a server that is away is back."
    )


class Retry(Section):
    """Waiting for what others put right. Each wait is twice as long as the last, spread by chance to half of it."""

    environment_first: float = Field(
        default=0.1, ge=0.01, le=60, description="Seconds before the first attempt when a server is away or busy."
    )
    environment_most: float = Field(
        default=15.0, ge=0.1, le=600, description="Most seconds between attempts then. They go on for ever."
    )
    table_first: float = Field(
        default=10.0, ge=0.1, le=3600, description="Seconds before the partitions of a table that is refused go on."
    )
    table_most: float = Field(default=60.0, ge=0.1, le=86_400, description="Most seconds between attempts then.")
    table_unknown_attempts: int = Field(
        default=10,
        ge=0,
        le=100_000,
        description="How often they do after a failure that no rule knows; then they wait for "
        "headrace batches retry --stopped.",
    )


class Batch(Section):
    """How much one transaction takes."""

    max_rows: int = Field(
        default=20_000,
        ge=1,
        le=65_536,
        description="Rows that one batch should write. One that reads more by batch.growth and meets changes "
        "that do not fold writes them all.",
    )
    min_rows: int = Field(
        default=1,
        ge=1,
        le=65_536,
        description="Rows that batches are not brought below by slow commits, timeouts, locks and conflicts.",
    )
    target_seconds: float | None = Field(
        default=None,
        ge=0.05,
        le=900,
        description="Seconds that a batch should take at most. Batches that take longer are made smaller, as long as "
        "that makes them quicker. Default: a third of target.batch_deadline; at most half of it.",
    )
    growth: int = Field(
        default=5,
        ge=1,
        le=20,
        description="How many times batch.max_rows a batch may read in records, where many changes of few rows fold.",
    )
    max_bytes: int = Field(
        default=32 << 20, ge=1 << 16, le=256 << 20, description="Bytes of raw records after which a batch closes."
    )
    queue_bytes: int = Field(
        default=96 << 20, ge=1 << 16, le=1 << 30, description="Most bytes that wait between reading and applying."
    )
    queue_batches: int = Field(default=2, ge=1, le=16, description="Most batches that wait there.")
    smallest_block: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="Records below which the row decoder is used instead of the columnar one.",
    )


class Priorities(Section):
    """How tables of several priorities share a worker; see priority of a table."""

    latency_goal: float = Field(
        default=0.3,
        ge=0.05,
        le=60,
        description="Seconds from a change's append to its topic until its commit that critical tables should take at "
        "most. A batch of other tables gets a sixth of it; beyond it they are paused, bulk tables first. Rests on the "
        "clocks of producers, or of brokers where topics have LogAppendTime.",
    )
    turn_every: float = Field(
        default=5.0,
        ge=0.5,
        le=300,
        description="Seconds after which tables that are paused under pressure get the turn of one batch, so that "
        "none waits for ever.",
    )
    calm: float = Field(
        default=2.0,
        ge=0.1,
        le=300,
        description="Seconds without pressure after which what was paused last goes on, one priority at a time.",
    )


class Letters(Section):
    """Letters: records that could not be applied."""

    retry_topic: str = Field(
        default="{group}.retry.{n}",
        description="Pattern of the retry topics' names; {n} is the number of the delay, {group} is kafka.group.",
    )
    dead_topic: str = Field(default="{group}.dlq", description="Name of the dead-letter topic; {group} is kafka.group.")
    delays: Annotated[tuple[Annotated[float, Field(ge=0.1, le=86_400)], ...], Field(min_length=1, max_length=16)] = (
        Field(
            default=(5.0, 30.0, 120.0, 600.0),
            description="Seconds before each further attempt, rising, each from 0.1 to 86400. Every entry has a retry "
            "topic; the last one serves all later attempts.",
        )
    )
    partitions: int = Field(default=1, ge=1, le=64, description="Partitions of a topic for letters, when it is made.")
    retention_hours: float = Field(
        default=168.0,
        ge=1,
        le=8760,
        description="Hours that these topics keep what is in them, when they are made. The letters themselves are in "
        "the database.",
    )
    inline_bytes: int = Field(
        default=1 << 20,
        ge=0,
        le=64 << 20,
        description="Most bytes of a record that are kept with its letter; of a larger one only where it lies.",
    )
    expiry_warning_hours: float = Field(
        default=24.0,
        ge=0,
        le=8760,
        description="Hours before a record leaves its topic by retention.ms in which the log warns, where an open "
        "letter or its copy only points there. 0: only when it is gone.",
    )
    max_unpublished: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Most letters whose copies are not published yet; then their partitions wait.",
    )
    max_held: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Most letters of one row that wait for an older one; then the table's partitions wait.",
    )
    max_replays: int = Field(
        default=10, ge=1, le=1000, description="How often a dead letter may be sent again in its life."
    )
    keep_closed_hours: float = Field(
        default=720.0,
        ge=1,
        le=87_600,
        description="Hours that a letter is kept, with its bytes, after it was applied, superseded or discarded; and a "
        "job of letters after its end.",
    )
    flood_percent: float = Field(
        default=5.0,
        ge=0,
        le=100,
        description="A partition stops when more than this share of its last 10 000 records (and 100 at least) can't "
        "be applied. 100: never.",
    )
    transient_attempts: int = Field(
        default=8, ge=0, le=1000, description="How often a record whose failure time may heal is tried again."
    )
    transient_hours: float = Field(
        default=24.0, ge=0, le=8760, description="Hours since its first failure after which it is tried no more."
    )
    unknown_attempts: int = Field(
        default=3, ge=0, le=1000, description="How often a record whose failure no rule knows is tried again."
    )
    unknown_hours: float = Field(
        default=1.0, ge=0, le=8760, description="Hours since its first failure after which it is tried no more."
    )

    @field_validator("retry_topic")
    @classmethod
    def _retry(cls, pattern: str) -> str:
        try:
            check_retry_pattern(pattern)
        except BadTopic as error:
            raise ValueError(str(error)) from error
        return pattern

    @field_validator("dead_topic")
    @classmethod
    def _dead(cls, pattern: str) -> str:
        try:
            check_dead_pattern(pattern)
        except BadTopic as error:
            raise ValueError(str(error)) from error
        return pattern

    @field_validator("delays")
    @classmethod
    def _rising(cls, delays: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise(delays)):
            raise ValueError("each delay must be longer than the one before")
        return delays

    @model_validator(mode="after")
    def _kept_until_due(self) -> "Letters":
        longest = self.delays[-1] * (1 + JITTER)
        if self.retention_hours * 3600 <= longest:
            raise ValueError(f"retention_hours must be more than the longest of delays, spread ({longest:g} s)")
        return self


class Imports(Section):
    """Dead letters of other consumers, read from their topics into the letters."""

    topics: Annotated[list[Annotated[str, Field(min_length=1, max_length=1000)]], Field(max_length=1000)] = Field(
        default=[],
        description="Dead-letter topics that workers read, of Kafka Connect, Spring Kafka, Kafka Streams, share groups "
        "or other groups of Headrace, each record by its headers; an entry that starts with ^ is a regular expression. "
        "None of them is ever read as a source.",
    )

    @field_validator("topics")
    @classmethod
    def _patterns(cls, topics: list[str]) -> list[str]:
        return checked_patterns(topics)

    @property
    def expressions(self) -> tuple[str, ...]:
        """Regular expressions that match these topics."""
        return tuple(topic if topic.startswith("^") else _exactly(topic) for topic in self.topics)


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
        description="Name in positions and ledger: up to 40 letters, digits, dots, dashes or underscores. Default: the "
        "host's name, without what does not fit.",
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
        "target.batch_deadline and target.connect_timeout together.",
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


class Connect(Section):
    """Kafka Connect beside us, if it is to be shown: its connectors, and why nothing comes from one."""

    url: str | None = Field(default=None, pattern=r"^https?://", description="Base of Kafka Connect's REST interface.")
    user: str = Field(default="", description="User for basic authentication, if it is asked for.")
    password: SecretStr | None = Field(
        default=None, description="Its password. Set it in the environment, not in the file."
    )
    password_file: Path | None = Field(
        default=None, description="Instead of the password: a file whose first line it is, as a secret that is mounted."
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates in PEM by which its own is checked; by default the system's."
    )
    timeout: float = Field(default=10.0, ge=0.5, le=120, description="Seconds that Kafka Connect may take to answer.")

    @model_validator(mode="after")
    def _one_password(self) -> "Connect":
        if self.password is not None and self.password_file is not None:
            raise ValueError("set either password or password_file")
        return self


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
        description="How often in an hour what has failed of one connector in Kafka Connect is started again, where "
        "connect.url is set; after 10 seconds, then twice as long each time. 0: never.",
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


Decided = Literal["auto", "approve", "refuse"]
Wished = Literal["auto", "approve", "refuse", "keep"]


class Evolution(Section):
    """How target tables follow their source.

    auto: the change is made with the first rows that need it; approve: their table waits for `headrace schema apply`;
    refuse: it stops; keep: the change is not wanted, the target stays as it is.
    """

    create: Decided = Field(default="auto", description="A missing table, where target.create allows it at all.")
    add: Decided = Field(default="approve", description="A column that the target lacks.")
    widen: Wished = Field(
        default="keep",
        description="A type that does not hold all that the source may send. With keep, values that do not fit become "
        "letters; otherwise a change that is no widening stops the table.",
    )
    relax: Wished = Field(
        default="keep",
        description="NOT NULL of a column that takes nulls at the source, or that the source has not any more.",
    )
    label: Wished = Field(default="keep", description="A label that an enum type of the target lacks.")
    rename: Decided = Field(default="auto", description="A column that a table's `renamed` names.")
    drop: Wished = Field(
        default="keep", description="A column that the source had and has not any more. Its values are lost with it."
    )
    default: Wished = Field(
        default="keep",
        description="A default of the source's: of a column that is added, whose older rows get it, or where the "
        "target has none. Of a function, Debezium sends a zero.",
    )
    lock_timeout: float = Field(
        default=2.0,
        ge=0.1,
        le=60,
        description="Most seconds that a change waits for others who use the table. Then its partitions wait, and "
        "others go on.",
    )
    keep_hours: float = Field(
        default=8760.0,
        ge=1,
        le=876_000,
        description="Hours that changes are kept after they were made, or were not needed any more.",
    )
