"""Servers of which the broker is reached by a way that may be broken."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from consumer.stack.layout import Layout, load
from consumer.stack.options import KAFKA, Endpoints, StackOptions
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from tests.real.engine.witness import make_template

from .link import Address, Link
from .trial import Ground

LOOPBACK = "127.0.0.1"


@contextmanager
def straight(at: Endpoints) -> Iterator[Ground]:
    """Servers of others, to which clients have no way that may be broken."""
    host, port = at.kafka.split(":")
    with Link(lambda: (host, int(port)), kafka=True) as link:
        yield Ground(at, link)


@contextmanager
def linked(place: Path, parts: Collection[str], kafka: Mapping[str, str] | None = None) -> Iterator[Ground]:
    """These parts in an empty directory; all clients of the broker go the way. `kafka`: further settings of it."""

    def broker() -> Address:
        state = load(Layout(place))
        return LOOPBACK, state.ports[KAFKA] if state else 0

    with Link(broker, kafka=True) as link:
        settings = {"advertised.listeners": f"BROKER://{LOOPBACK}:{link.port}", **(kafka or {})}
        options = StackOptions(kafka_settings=settings)
        with Stack.open(place, frozenset(parts), options, Terminal(quiet_steps=True)) as stack:
            make_template(stack.endpoints.target_dsn)
            yield Ground(stack.endpoints, link, stack)
