"""Who watches a worker that the benchmark measures: both take what a real process serves and sends."""

import pytest

from consumer.bench.watching import Receiver, Scraper
from consumer.core.records import Slice, TopicPartition
from consumer.ports.facts import Began, Ended
from consumer.stack.ports import choose
from consumer.stack.waiting import wait_until
from consumer.telemetry.labels import Bounded
from consumer.telemetry.traces import TraceSettings, sending
from consumer.telemetry.watchers import Watchers

PIECE = Slice(at=TopicPartition("t", 0), epoch=1, start=0, end=1, offsets=(0,))


def test_metrics_are_read_as_soon_as_there_are_any() -> None:
    """Again and again, until it is told to end."""
    port = choose(["scraped"], {})["scraped"]
    told = Watchers(Bounded(9))
    with Scraper(port, 0.02) as scraper, told.serving("127.0.0.1", port):
        assert wait_until(lambda: scraper.scrapes >= 3, 10)
        size = scraper.size
    ended = scraper.scrapes
    assert size > 1_000
    assert scraper.scrapes == ended


def test_metrics_are_read_past_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is on this machine, whatever the network's way out is."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    port = choose(["scraped"], {})["scraped"]
    with Scraper(port, 0.02) as scraper, Watchers(Bounded(9)).serving("127.0.0.1", port):
        assert wait_until(lambda: scraper.scrapes > 0, 10)


def test_spans_are_counted_when_they_have_come() -> None:
    """Those of the end too, which the sender waits for."""
    settings = TraceSettings(group="g", worker="w")
    with Receiver() as receiver:
        assert receiver.spans() == 0
        with sending(receiver.endpoint, settings, "1") as tracing:
            for _ in range(3):
                tracing.tell(Began(slices=(PIECE,), lane=False, polled=None))
                tracing.tell(Ended())
        assert receiver.spans() == 3
