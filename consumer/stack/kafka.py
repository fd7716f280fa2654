"""One Kafka node, broker and controller in one process, on loopback."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consumer.stack import java
from consumer.stack.part import Run
from consumer.stack.ports import LOOPBACK, answers
from consumer.stack.process import Command

_CLUSTER_ID = "aGVhZHJhY2Utc3RhY2stMQ"
_PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka:
    """The broker; the ports may change between starts, the data stays."""

    name: str
    directory: Path
    port: int
    controller_port: int
    classpath: tuple[Path, ...]
    settings: Mapping[str, str]
    heap_mb: int
    archive: java.Archive
    # further listeners: name to protocol and port
    listeners: Mapping[str, tuple[str, int]]

    def prepare(self, run: Run) -> None:
        """Writes the settings, and formats the storage the first time."""
        java.write_properties(self._settings_file, {**self._own_settings(), **self.settings})
        java.logging_file(self.directory)
        if not (self._storage / "meta.properties").exists():
            words = ("format", "--ignore-formatted", "-t", _CLUSTER_ID, "-c", str(self._settings_file))
            # it loads what the server does, and too little of it to write the archive
            run(self._run("kafka.tools.StorageTool", words, java.Archive(self.archive.file)))

    def command(self) -> Command:
        """The server itself."""
        return self._run("kafka.Kafka", (str(self._settings_file),), self.archive)

    def ready(self) -> bool:
        """True when a client gets the broker's metadata."""
        if not answers(self.port):
            return False
        try:
            client = AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})
            return bool(client.list_topics(timeout=_PROBE_SECONDS).brokers)
        except KafkaException:
            return False

    @property
    def _bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def _settings_file(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _storage(self) -> Path:
        return self.directory / "storage"

    def _run(self, main: str, arguments: tuple[str, ...], archive: java.Archive) -> Command:
        program = java.Program(
            classpath=self.classpath,
            main=main,
            arguments=arguments,
            properties={"log4j2.configurationFile": str(self.directory / "log4j2.xml")},
            heap_mb=self.heap_mb,
            archive=archive,
        )
        return java.command(program, self.directory)

    def _own_settings(self) -> dict[str, str]:
        advertised = [f"BROKER://{self._bootstrap}"]
        advertised += [f"{name}://{LOOPBACK}:{port}" for name, (_, port) in self.listeners.items()]
        protocols = ["BROKER:PLAINTEXT", "CONTROLLER:PLAINTEXT"]
        protocols += [f"{name}:{protocol}" for name, (protocol, _) in self.listeners.items()]
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{LOOPBACK}:{self.controller_port}",
            "listeners": ",".join([*advertised, f"CONTROLLER://{LOOPBACK}:{self.controller_port}"]),
            "advertised.listeners": ",".join(advertised),
            "listener.security.protocol.map": ",".join(protocols),
            "inter.broker.listener.name": "BROKER",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._storage),
            "auto.create.topics.enable": "true",
            "group.initial.rebalance.delay.ms": "0",
            # Members of a group say themselves how soon they count as dead; the broker's own least is six seconds.
            "group.min.session.timeout.ms": "1000",
            # A killed broker is let in again only when its old session has ended.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
        }
