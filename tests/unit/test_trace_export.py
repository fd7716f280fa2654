"""What a collector gets of traces, and what one costs that takes none."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from consumer.core.flags import ALL_ON
from consumer.core.plan import Counts, Plan
from consumer.ports.facts import Began, Committed, Ended
from consumer.ports.target import Applied
from consumer.telemetry.exporting import LAST, Outlet
from consumer.telemetry.traces import Tracing, provider, sending
from tests.collector import Collector
from tests.unit.traced import PLANNED, POLLED, SETTINGS, TRACE, WRITTEN, bare, parented, slices


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of the test's own."""
    with closing(Collector()) as opened:
        yield opened


@pytest.fixture
def mute() -> Iterator[str]:
    """The endpoint of a collector that takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1/traces"


def test_a_collector_gets_the_spans(collector: Collector) -> None:
    """As protobuf, with the resource; also those that were not sent when the worker ends."""
    pieces = slices(2, parented)
    plan = Plan(slices=pieces, stages=(), counts=Counts(records=2), laps=PLANNED)
    with sending(collector.endpoint, SETTINGS, "1", ALL_ON) as tracing:
        tracing.tell(Began(slices=pieces, lane=False, polled=POLLED))
        tracing.tell(Committed(Applied(plan=plan, seconds=0.3, durations={}, laps=WRITTEN)))
        tracing.tell(Ended())
    resources = [each for request in collector.requests for each in request.resource_spans]
    about = {item.key: item.value.string_value for item in resources[0].resource.attributes}
    spans = {span.name: span for each in resources for scope in each.scope_spans for span in scope.spans}
    assert (about["service.name"], about["service.instance.id"]) == ("headrace", "w-1")
    assert set(spans) == {
        "process shop.orders", "poll shop.orders", "plan", "decode", "copy", "apply", "letters", "commit"
    }  # fmt: skip
    assert [link.trace_id.hex() for link in spans["process shop.orders"].links] == [TRACE, TRACE]


def test_who_traces_nothing_pays_for_nothing() -> None:
    """Neither SDK nor exporter is imported with the program."""
    look = "import sys, consumer.worker, consumer.supervisor; print([m for m in sys.modules if 'opentelemetry' in m])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_what_the_collector_does_not_take_is_dropped_and_counted() -> None:
    """Said once; nobody waits for it but the end, some seconds."""
    with (
        capture_logs() as logs,
        sending("http://127.0.0.1:1/v1/traces", SETTINGS, "1") as tracing,
    ):
        tracing.tell(Began(slices=slices(3, bare), lane=False, polled=None))
        tracing.tell(Ended())
        assert [sample.value for sample in tracing.samples()] == [0]
    ((_, dropped, _),) = tracing.samples()
    assert dropped == 1
    assert [line["event"] for line in logs] == ["traces can't be sent; they are dropped"]


def batches(tracing: Tracing, number: int) -> None:
    """So many spans."""
    for _ in range(number):
        tracing.tell(Began(slices=slices(3, bare), lane=False, polled=None))
        tracing.tell(Ended())


def test_a_collector_that_hangs_costs_spans_and_nobodys_time(mute: str) -> None:
    """What finds no room is counted at once, what waits at the end, which it does not hold up."""
    with capture_logs() as logs:
        outlet = Outlet(mute, timeout=30, most=10)
        tracing = Tracing(provider(SETTINGS, "1", outlet), SETTINGS)
        batches(tracing, 25)
        before = outlet.dropped
        began = time.monotonic()
        outlet.shutdown()
        took = time.monotonic() - began
    batches(tracing, 1)
    assert (before, outlet.dropped) == (15, 26)
    assert took < LAST + 2
    assert [line["event"] for line in logs] == ["the collector did not take the last spans in time"]
