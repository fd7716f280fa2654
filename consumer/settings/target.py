"""Settings of what is written to, how much of it at once, and how its tables follow their sources."""

from typing import Literal

from pydantic import (
    Field,
    field_validator,
)

from consumer.core.naming import BadName, check_template
from consumer.settings.section import Section


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
        default=96 << 20,
        ge=1 << 16,
        le=1 << 30,
        description="Bytes that wait between reading and applying, from which on no further batch is added.",
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
