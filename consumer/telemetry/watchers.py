"""What watches one process: facts go to everybody who counts or traces, values are asked for when they are scraped."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from consumer.ports.facts import Fact, Tell
from consumer.telemetry.counting import Counting
from consumer.telemetry.gauging import Gauging, Sample
from consumer.telemetry.labels import Bounded
from consumer.telemetry.server import Answer, Asked, Page, PageServer, text

# why something is not so; nothing where it is
Complaint = Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """What probes are told: nothing, or why the process does not live, or is not ready."""

    dead: Complaint = field(default=lambda: "")
    unready: Complaint = field(default=lambda: "")


class Watchers:
    """The registry of a process, and all who hear its facts. `counts`: whether there may be anybody who scrapes it."""

    def __init__(self, topics: Bounded, hearers: Sequence[Tell] = (), *, counts: bool = True) -> None:
        self.topics = topics
        self.registry = CollectorRegistry(auto_describe=False)
        self._hearers = (*((Counting(self.registry, topics).tell,) if counts else ()), *hearers)
        self._probes = Probes()
        self._server = PageServer({"/metrics": self._metrics, "/healthz": self._healthz, "/readyz": self._readyz})

    @property
    def port(self) -> int | None:
        """Where they can be asked; None where they can't."""
        return self._server.port

    def tell(self, fact: Fact) -> None:
        """Have everybody hear it."""
        for hear in self._hearers:
            hear(fact)

    def ask(self, samples: Callable[[], Iterable[Sample]]) -> None:
        """From now on these are asked for at each scrape."""
        self.registry.register(Gauging(samples))

    def probe(self, probes: Probes) -> None:
        """From now on probes are told this."""
        self._probes = probes

    @contextmanager
    def serving(self, host: str, port: int, more: Mapping[str, Page] | None = None) -> Iterator[None]:
        """Listen meanwhile."""
        self._server.pages |= more or {}
        self._server.open(host, port)
        try:
            yield
        finally:
            self._server.close()

    def _metrics(self, asked: Asked) -> Answer:
        encode, kind = choose_encoder(asked.headers.get("accept", ""))
        return Answer(body=encode(self.registry), headers={"Content-Type": kind})

    def _healthz(self, asked: Asked) -> Answer:
        return _told(self._probes.dead())

    def _readyz(self, asked: Asked) -> Answer:
        return _told(self._probes.unready())


def _told(why: str) -> Answer:
    return text(why, HTTPStatus.SERVICE_UNAVAILABLE) if why else text("ok")
