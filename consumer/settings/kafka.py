"""Settings of what is read from: Kafka, the registry, the source, and Kafka Connect."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from consumer.core.markers import UNAVAILABLE, BadPlaceholder, Placeholders
from consumer.core.topic_expressions import BadExpression, check
from consumer.settings.section import Section

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


def checked_patterns(topics: list[str], *, listed: bool = False) -> list[str]:
    """The topics. Raises ValueError for a regular expression that is none, or that engines read differently.

    `listed`: the client is told them in one text, with commas between.
    """
    for topic in topics:
        if not topic:
            raise ValueError("an empty name is no topic")
        if topic.startswith("^"):
            try:
                check(topic)
            except BadExpression as error:
                raise ValueError(f"{topic!r} is no regular expression that is taken here: {error}") from error
            if listed and "," in topic:
                raise ValueError(f"{topic!r} has a comma, which ends it for Kafka's client; write {{n,m}} out")
    return topics


def exactly(topic: str) -> str:
    """A legal name as a regular expression of it alone."""
    # of a legal name's characters only the dot means something
    return "^" + topic.replace(".", r"\.") + "$"


class Kafka(Section):
    """The topics and how they are read."""

    bootstrap_servers: str = Field(min_length=1, description="Brokers to start from, as host:port, comma-separated.")
    group: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default="headrace", description="Consumer group; positions are kept under this name."
    )
    topics: Annotated[list[str], Field(min_length=1)] = Field(
        description="Topics to apply; an entry that starts with ^ is a regular expression, of which the beginning of a "
        "name is enough. It has what all engines read alike: `.`, `\\.`, `[0-9a-z_]`, `(a|b)`, `*`, `+`, `?`, `{n,m}`, "
        "`^`, `$`."
    )
    initial: str = Field(
        default="earliest",
        pattern=r"^(earliest|latest|group:.+)$",
        description="Where a group begins that never ran: earliest, latest, or group:<name> to take over "
        "another group's offsets. Counts only for what exists at the first start.",
    )
    client: dict[str, ClientValue] = Field(
        default={},
        description="Settings of librdkafka's, as it names them. Refused are those that the guarantees rest on: "
        + ", ".join(f"`{name}`" for name in sorted(RESERVED))
        + ".",
    )
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
        description="The connector's signal.kafka.topic, of one partition. Empty: `<topic_prefix>-signal`, as there. "
        "No expression of kafka.topics takes it.",
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
    def signals(self) -> str:
        """The topic of signals; empty where none is known."""
        return self.signal_topic or (f"{self.topic_prefix}-signal" if self.topic_prefix else "")

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
