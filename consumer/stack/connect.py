"""One Kafka Connect worker in distributed mode with Debezium and the Avro converter."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from consumer.stack import java, loopback
from consumer.stack.part import Run
from consumer.stack.ports import LOOPBACK
from consumer.stack.process import Command

CONVERTER = "io.apicurio.registry.utils.converter.AvroConverter"
_PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """The worker. Its own state is in Kafka; `plugins` are directories that contain plugin directories."""

    name: str
    directory: Path
    port: int
    bootstrap: str
    registry_api: str
    classpath: tuple[Path, ...]
    plugins: tuple[Path, ...]
    exactly_once: bool
    settings: Mapping[str, str]
    heap_mb: int
    archive: java.Archive
    environment: Mapping[str, str]
    java_home: Path | None = None

    @property
    def url(self) -> str:
        """The REST API."""
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self, run: Run) -> None:
        """Writes the settings."""
        java.write_properties(self._settings_file, {**self._own_settings(), **self._converters(), **self.settings})
        java.logging_file(self.directory)

    def command(self) -> Command:
        """The worker itself."""
        program = java.Program(
            classpath=self.classpath,
            main="org.apache.kafka.connect.cli.ConnectDistributed",
            arguments=(str(self._settings_file),),
            properties={"log4j2.configurationFile": str(self.directory / "log4j2.xml")},
            heap_mb=self.heap_mb,
            home=self.java_home,
            archive=self.archive,
            environment=self.environment,
        )
        return java.command(program, self.directory)

    def ready(self) -> bool:
        """True when the worker has joined its group and takes connectors."""
        try:
            answer = loopback.request("GET", f"{self.url}/health", _PROBE_SECONDS)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    @property
    def _settings_file(self) -> Path:
        return self.directory / "worker.properties"

    def _own_settings(self) -> dict[str, str]:
        topics = {
            f"{kind}.storage.{key}": value
            for kind in ("offset", "config", "status")
            for key, value in (("topic", f"connect-{kind}"), ("replication.factor", "1"))
        }
        return {
            "bootstrap.servers": self.bootstrap,
            "group.id": "headrace-connect",
            "listeners": self.url,
            "rest.advertised.host.name": LOOPBACK,
            **topics,
            "offset.storage.partitions": "1",
            "status.storage.partitions": "1",
            "offset.flush.interval.ms": "1000",
            "scheduled.rebalance.max.delay.ms": "0",
            "exactly.once.source.support": "enabled" if self.exactly_once else "disabled",
            "plugin.path": ",".join(str(each) for each in self.plugins),
            "plugin.discovery": "service_load",
        }

    def _converters(self) -> dict[str, str]:
        settings = {
            "": CONVERTER,
            ".apicurio.registry.url": self.registry_api,
            ".apicurio.registry.auto-register": "true",
            ".apicurio.registry.find-latest": "true",
            ".apicurio.registry.as-confluent": "true",
            ".apicurio.registry.use-id": "contentId",
            ".apicurio.registry.headers.enabled": "false",
        }
        return {f"{kind}.converter{key}": value for kind in ("key", "value") for key, value in settings.items()}
