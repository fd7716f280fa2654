"""Builds the chosen parts from layout, ports and options: the one place that knows how parts fit together."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from consumer.stack import java, postgres, registry
from consumer.stack.account import unprivileged_user
from consumer.stack.artifacts import Artifacts
from consumer.stack.connect import CONVERTER, Connect
from consumer.stack.failures import refused
from consumer.stack.kafka import Kafka
from consumer.stack.layout import Layout, State
from consumer.stack.options import ALL_PARTS, CONNECT, KAFKA, REGISTRY, SOURCE, TARGET, Endpoints, StackOptions
from consumer.stack.part import Part
from consumer.stack.ports import LOOPBACK
from consumer.stack.postgres import Postgres
from consumer.stack.registry import Registry

_CONTROLLER = "kafka-controller"
_REGISTRY_TLS = "registry-tls"
_CONVERTER_INTERFACE = "org.apache.kafka.connect.storage.Converter"


def check(parts: Iterable[str]) -> frozenset[str]:
    """The parts as a set; refuses unknown names and a Connect without what it needs."""
    chosen = frozenset(parts)
    unknown = sorted(chosen - ALL_PARTS)
    if unknown or not chosen:
        detail = f"unknown parts: {', '.join(unknown)}" if unknown else "no parts"
        raise refused("parts", "parts_invalid", detail, f"Choose from: {', '.join(sorted(ALL_PARTS))}.")
    if CONNECT in chosen and not {KAFKA, REGISTRY} <= chosen:
        raise refused("parts", "parts_invalid", "connect needs kafka and registry", "Choose these as well.")
    return chosen


def port_names(parts: Iterable[str], options: StackOptions) -> list[str]:
    """The names of all ports that these parts listen on."""
    chosen = frozenset(parts)
    more = [_CONTROLLER, *map(_listener, options.kafka_listeners)] if KAFKA in chosen else []
    return sorted([*chosen, *more, *([_REGISTRY_TLS] if REGISTRY in chosen and options.registry_tls else [])])


def bundles(parts: Iterable[str], options: StackOptions) -> list[str]:
    """The artifacts that these parts run from."""
    chosen = frozenset(parts)
    wanted = ["kafka"] if chosen & {KAFKA, CONNECT} else []
    wanted += ["registry"] if REGISTRY in chosen else []
    wanted += ["apicurio-converter", "debezium-postgres"] if CONNECT in chosen else []
    return wanted + (["debezium-jdbc"] if CONNECT in chosen and options.with_jdbc_sink else [])


def program_dirs(parts: Iterable[str], options: StackOptions) -> tuple[str, ...]:
    """The directories whose programs the stack runs; with the data directory they tell its processes from others."""
    chosen = frozenset(parts)
    found = [java.home()] if chosen & {KAFKA, REGISTRY, CONNECT} else []
    found += [options.connect_java] if options.connect_java and CONNECT in chosen else []
    if chosen & {SOURCE, TARGET}:
        found.append(postgres.programs(unprivileged_user()))
    return tuple(str(each.resolve()) for each in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Everything that parts are made of."""

    layout: Layout
    state: State
    options: StackOptions
    artifacts: Artifacts

    def build(self, parts: Iterable[str]) -> dict[str, Part]:
        """The chosen parts by name."""
        return {name: self._make(name) for name in sorted(parts)}

    def _make(self, name: str) -> Part:
        match name:
            case "kafka":
                return self._kafka()
            case "registry":
                return self._registry()
            case "connect":
                return self._connect()
            case _:
                return self._postgres(name)

    def _postgres(self, name: str) -> Postgres:
        settings = {SOURCE: self.options.source_settings, TARGET: self.options.target_settings}[name]
        return Postgres(
            name=name,
            directory=self.layout.part(name),
            port=self.state.ports[name],
            dsn=_dsn(name, self.state),
            settings=settings,
        )

    def _kafka(self) -> Kafka:
        return Kafka(
            name=KAFKA,
            directory=self.layout.part(KAFKA),
            port=self.state.ports[KAFKA],
            controller_port=self.state.ports[_CONTROLLER],
            classpath=tuple(self.artifacts.jars("kafka")),
            settings=self.options.kafka_settings,
            heap_mb=self.options.kafka_heap_mb,
            archive=self._archive(KAFKA),
            listeners={
                name: (protocol, self.state.ports[_listener(name)])
                for name, protocol in self.options.kafka_listeners.items()
            },
        )

    def _registry(self) -> Registry:
        papers = self.options.registry_tls
        return Registry(
            name=REGISTRY,
            directory=self.layout.part(REGISTRY),
            port=self.state.ports[REGISTRY],
            program=self.artifacts.unpacked("registry"),
            heap_mb=self.options.registry_heap_mb,
            archive=self._archive(REGISTRY),
            tls=None if papers is None else (*papers, self.state.ports[_REGISTRY_TLS]),
        )

    def _connect(self) -> Connect:
        return Connect(
            name=CONNECT,
            directory=self.layout.part(CONNECT),
            port=self.state.ports[CONNECT],
            bootstrap=_address(KAFKA, self.state),
            registry_api=f"http://{_address(REGISTRY, self.state)}{registry.APICURIO_PATH}",
            classpath=tuple(self.artifacts.jars("kafka")),
            plugins=self._plugins(),
            exactly_once=self.options.exactly_once_source,
            settings=self.options.connect_settings,
            environment=self.options.connect_environment,
            heap_mb=self.options.connect_heap_mb,
            archive=self._archive(CONNECT),
            java_home=self.options.connect_java,
        )

    def _archive(self, name: str) -> java.Archive:
        place = self.options.write_archives
        return java.Archive((place or java.archives()) / f"{name}.aot", written=place is not None)

    def _plugins(self) -> tuple[Path, ...]:
        converter = self.artifacts.plugin("apicurio-converter", {_CONVERTER_INTERFACE: CONVERTER})
        plugins = [converter, self.artifacts.unpacked("debezium-postgres")]
        if self.options.with_jdbc_sink:
            plugins.append(self.artifacts.unpacked("debezium-jdbc"))
        return (*plugins, *self.options.plugins)


def endpoints(names: Iterable[str], state: State, options: StackOptions) -> Endpoints:
    """Where these parts answer."""
    makers: dict[str, tuple[str, str]] = {
        SOURCE: ("source_dsn", _dsn(SOURCE, state)),
        TARGET: ("target_dsn", _dsn(TARGET, state)),
        KAFKA: ("kafka", _address(KAFKA, state)),
        REGISTRY: ("registry_url", f"http://{_address(REGISTRY, state)}{registry.CONFLUENT_PATH}"),
        CONNECT: ("connect_url", f"http://{_address(CONNECT, state)}"),
    }
    chosen = frozenset(names)
    return Endpoints(
        **dict(makers[name] for name in chosen),
        kafka_listeners={name: state.ports[_listener(name)] for name in options.kafka_listeners if KAFKA in chosen},
        registry_tls_port=state.ports[_REGISTRY_TLS] if REGISTRY in chosen and options.registry_tls else 0,
    )


def _listener(name: str) -> str:
    return f"kafka-{name.lower()}"


def _dsn(name: str, state: State) -> str:
    return f"postgresql://{postgres.USER}:{state.password}@{_address(name, state)}/{name}"


def _address(name: str, state: State) -> str:
    return f"{LOOPBACK}:{state.ports.get(name, 0)}"
