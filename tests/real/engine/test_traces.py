"""Traces of a real worker, in a collector: a record's own is found again at its batch, its letter and its replay."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from consumer.stack.options import Endpoints
from tests.collector import Collector

from .feed import Feed
from .letters import Scene
from .witness import Target
from .worker import Workers, eventually

_TRACE = "0af7651916cd43dd8448eb211c80319c"
_PARENT = [("traceparent", f"00-{_TRACE}-b7ad6b7169203331-01".encode())]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of the test's own."""
    with closing(Collector()) as opened:
        yield opened


def test_a_letter_keeps_the_trace_of_its_record_to_its_replay(
    collector: Collector, at: Endpoints, target: Target, fresh_feed: Callable[..., Feed], workers: Workers
) -> None:
    """Its first batch and the one of its replay are traces of their own, both linked to it; so are lines of the log."""
    scene = Scene(at, target, fresh_feed("once", 1))
    feed = scene.feed
    feed.raw(feed.encode("c", 1, {"id": 1, "label": "bad", "amount": 666}), 1, headers=_PARENT)
    feed.flush()
    worker = workers.run(replace(scene.job, sections={"trace": {"endpoint": collector.endpoint}}))
    scene.comes_to("0/0d")
    scene.heal()
    scene.replay()
    scene.comes_to("0/0a")
    assert worker.leave() == 0

    linked = [span for span in collector.spans() if any(link.trace_id.hex() == _TRACE for link in span.links)]
    letters = [item.value.bool_value for span in linked for item in span.attributes if item.key == "headrace.letters"]
    assert set(letters) == {False, True}
    assert len({span.trace_id for span in linked}) >= 2
    # so is the copy that was sent for it
    assert f"send {scene.job.group}.retry.1" in {span.name for span in linked}
    names = {span.name for span in collector.spans() if span.trace_id == linked[0].trace_id}
    assert {f"poll {feed.topic}", "plan", "decode", "copy", "apply", "letters", "commit"} <= names

    (line,) = worker.lines("record became a letter")
    assert line["trace_id"] in {span.trace_id.hex() for span in linked}
    assert line["correlation_id"] == f"{feed.topic}-0-0"
    assert isinstance(line["batch"], int)
    assert line["worker"].startswith("w-")
    assert {entry["state"] for entry in worker.lines("letter tried again")} >= {"applied"}


def test_a_collector_that_is_away_holds_nobody_up(
    at: Endpoints, target: Target, fresh_feed: Callable[..., Feed], workers: Workers
) -> None:
    """The log says so once, and the worker ends within its time."""
    feed = fresh_feed("once", 1)
    feed.create(30)
    scene = Scene(at, target, feed)
    worker = workers.run(replace(scene.job, sections={"trace": {"endpoint": "http://127.0.0.1:1/v1/traces"}}))
    eventually(lambda: target.reached(scene.job.group, feed), "everything is applied")
    assert worker.leave(30) == 0
    assert len(worker.lines("traces can't be sent; they are dropped")) == 1
