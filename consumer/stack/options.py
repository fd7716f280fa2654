"""What a caller may choose about a stack, and what it gets back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from consumer.stack.logs import LIMIT

SOURCE = "source"
TARGET = "target"
KAFKA = "kafka"
REGISTRY = "registry"
CONNECT = "connect"
ALL_PARTS = frozenset({SOURCE, TARGET, KAFKA, REGISTRY, CONNECT})


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """Sizes and settings; the defaults suit two cores. Settings are added to the stack's own and win over them.

    `connect_environment` is for connectors that ask for variables. `plugins` are directories that contain further
    plugins for Connect, `connect_java` is the Java runtime that it gets instead of the wheel's, which has few charsets.
    A log of more than `log_bytes` is cut, and what was cut off is kept until the next cut.

    `kafka_listeners`: further ones of the broker, by name, with their protocols; what they need else (certificates,
    logins) is in `kafka_settings`, after `listener.name.<name in small letters>.`. `registry_tls`: certificate and key
    in PEM, with which the registry answers over https too.

    `write_archives`: the directory into which each Java program writes at its end which classes it loaded.
    """

    source_settings: Mapping[str, str] = field(default_factory=dict)
    target_settings: Mapping[str, str] = field(default_factory=dict)
    kafka_settings: Mapping[str, str] = field(default_factory=dict)
    connect_settings: Mapping[str, str] = field(default_factory=dict)
    connect_environment: Mapping[str, str] = field(default_factory=dict)
    kafka_listeners: Mapping[str, str] = field(default_factory=dict)
    registry_tls: tuple[Path, Path] | None = None
    kafka_heap_mb: int = 512
    connect_heap_mb: int = 512
    registry_heap_mb: int = 256
    exactly_once_source: bool = False
    with_jdbc_sink: bool = False
    plugins: tuple[Path, ...] = ()
    connect_java: Path | None = None
    write_archives: Path | None = None
    start_seconds: float = 120.0
    log_bytes: int = LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a stack's parts answer. The address of a part that was not chosen is an empty string.

    `kafka_listeners`: the ports of further listeners. `registry_tls_port`: 0 where it does not answer over https.
    """

    source_dsn: str = ""
    target_dsn: str = ""
    kafka: str = ""
    registry_url: str = ""
    connect_url: str = ""
    kafka_listeners: Mapping[str, int] = field(default_factory=dict)
    registry_tls_port: int = 0
