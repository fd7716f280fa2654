"""Settings of what becomes of records and tables that fail."""

from itertools import pairwise
from typing import Annotated

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from consumer.core.lane import BadTopic, check_dead_pattern, check_retry_pattern
from consumer.core.policy import JITTER
from consumer.settings.kafka import checked_patterns, exactly
from consumer.settings.section import Section


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
    max_open: int = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="Most open letters of one row; then the table's partitions wait. Whatever is written of that row "
        "looks at all of them.",
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
        default=8,
        ge=0,
        le=1000,
        description="How often a record whose failure time may heal is tried again, but for those that wait for other "
        "rows.",
    )
    transient_hours: float = Field(
        default=24.0, ge=0, le=8760, description="Hours of delays between its tries after which it is tried no more."
    )
    dependent_attempts: int = Field(
        default=1000,
        ge=0,
        le=100_000,
        description="How often a record is tried again that is refused because of other rows: one that it refers to is "
        "not there yet, another still has its unique value. In a snapshot these may come with a table that is read "
        "hours later.",
    )
    dependent_hours: float = Field(
        default=24.0, ge=0, le=8760, description="Hours of delays between its tries after which it is tried no more."
    )
    unknown_attempts: int = Field(
        default=3, ge=0, le=1000, description="How often a record whose failure no rule knows is tried again."
    )
    unknown_hours: float = Field(
        default=1.0, ge=0, le=8760, description="Hours of delays between its tries after which it is tried no more."
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
        "or other groups of Headrace, each record by its headers; an entry that starts with ^ is a regular expression, "
        "as in kafka.topics, without commas. "
        "None of them is ever read as a source.",
    )

    @field_validator("topics")
    @classmethod
    def _patterns(cls, topics: list[str]) -> list[str]:
        return checked_patterns(topics, listed=True)

    @property
    def expressions(self) -> tuple[str, ...]:
        """Regular expressions that match these topics."""
        return tuple(topic if topic.startswith("^") else exactly(topic) for topic in self.topics)
