"""How alerts about servers and workers are provoked on real servers, and put right again."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from consumer.stack.options import TARGET
from consumer.stack.ports import choose
from tests.faults.disk import fill, on_a_small_disk
from tests.real.engine.wire import Proxy
from tests.real.engine.worker import eventually

from .scene import PATIENT, Labels, Scene


@contextmanager
def server_away(scene: Scene) -> Iterator[Labels]:
    scene.worker()
    scene.settle()
    scene.stack.stop_part(TARGET)
    try:
        yield {"server": "target"}
    finally:
        scene.stack.start_part(TARGET)


@contextmanager
def full(scene: Scene) -> Iterator[Labels]:
    """The disk of the table is full to its last page."""
    with ExitStack() as held:
        place = held.enter_context(tempfile.TemporaryDirectory(prefix="headrace-disk-"))
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="headrace-full-"))
        scene.target = held.enter_context(on_a_small_disk(Path(folder) / "target", Path(place)))
        scene.job = replace(scene.job, dsn=scene.target.dsn)
        worker = scene.worker()
        scene.settle()
        fill(scene.target)
        scene.feed.create(2000)
        yield {"kind": "target.resources"}
        scene.target.do("DROP TABLE filler")
        eventually(lambda: not scene.watch.firing("HeadraceTargetFull"), "it has ended", 90)
        scene.kill(worker)


@contextmanager
def pool(scene: Scene) -> Iterator[Labels]:
    """One session for all questions, which waits for a lock."""
    wanted = {"dsn": scene.job.dsn, "batch_deadline": 5, "connect_timeout": 3, "pool_size": 1}
    sections = {**scene.job.sections, "target": wanted}
    scene.job = replace(scene.job, sections=sections)
    scene.worker()
    scene.settle()
    with scene.locked("headrace.letters"):
        yield {}


@contextmanager
def large(scene: Scene) -> Iterator[Labels]:
    """Somebody's decisions fill the control schema."""
    scene.worker()
    scene.settle()
    scene.target.do(
        "INSERT INTO headrace.audit (group_name, actor, action, topic, partition, reason) "
        "SELECT 'other', 'a test', 'none', 'none', 0, string_agg(md5(n::text || m::text), '') "
        "FROM generate_series(1, 400) n, generate_series(1, 4000) m "
        "GROUP BY n"
    )
    yield {}
    scene.target.do("DELETE FROM headrace.audit WHERE group_name = 'other'")
    scene.target.do("VACUUM FULL headrace.audit")


@contextmanager
def missing(scene: Scene) -> Iterator[Labels]:
    worker = scene.worker()
    scene.settle()
    scene.kill(worker)
    yield {}
    scene.worker()


@contextmanager
def unread(scene: Scene) -> Iterator[Labels]:
    worker = scene.worker()
    scene.admin()
    scene.settle()
    scene.kill(worker)
    scene.feed.create(10)
    yield {"topic": scene.feed.topic}
    scene.worker()


@contextmanager
def restarting(scene: Scene) -> Iterator[Labels]:
    """It is killed again and again, and started on the same port."""
    port = choose(["worker"], {})["worker"]
    telemetry = {**scene.job.sections["telemetry"], "port": port}
    scene.job = replace(scene.job, sections={**scene.job.sections, "telemetry": telemetry})
    seen = [0.0]
    for _ in range(4):
        worker = scene.worker()
        eventually(lambda: _began(scene) > seen[-1], "Prometheus sees it")
        seen.append(_began(scene))
        worker.kill()
    scene.worker()
    yield {}


@contextmanager
def overtaken(scene: Scene) -> Iterator[Labels]:
    """A worker is stopped within a batch, overtaken, and woken."""
    with Proxy(scene.target.dsn) as proxy:
        client = {"max.poll.interval.ms": "3000"}
        job = replace(scene.job, dsn=proxy.dsn, client=client, name="first", deadline=30.0)
        scene.job = job
        first = scene.worker()
        # so that Prometheus knows what was before
        scene.settle()
        # it has staged its rows, and is about to ask whether the partition is still its own
        hold = proxy.before("FOR UPDATE OF p", worker="first")
        scene.feed.create(300)
        hold.wait()
        first.freeze()
        scene.worker(name="second")
        eventually(lambda: scene.target.reached(job.group, scene.feed), "the second worker has done all")
        first.thaw()
        hold.deliver()
        yield {}
        eventually(lambda: not scene.watch.firing("HeadraceFenceLosses"), "it has ended", 60)


@contextmanager
def rebalancing(scene: Scene) -> Iterator[Labels]:
    """Workers come and go."""
    scene.worker()
    scene.settle()
    for number in range(4):
        other = scene.worker(name=f"other-{number}")
        other.said("partitions taken")
        other.leave()
        scene.forget(other)
    yield {}


@contextmanager
def memory(scene: Scene) -> Iterator[Labels]:
    """Wide rows have a worker grow, while somebody locks the table; another one in its place is small again."""
    worker = scene.worker(**PATIENT)
    scene.settle()
    least = _memory_of(scene) + (20 << 20)
    scene.heed(memory_bytes=least)
    with scene.locked("once"):
        for _ in range(60):
            for _ in range(10):
                scene.feed.last += 1
                scene.feed.send("c", scene.feed.last, "x" * 100_000)
            scene.feed.flush()
        yield {}
    eventually(lambda: scene.target.reached(scene.job.group, scene.feed), "everything is applied")
    worker.leave()
    scene.forget(worker)
    scene.worker()


def _began(scene: Scene) -> float:
    found = scene.watch.now("headrace_started_timestamp_seconds")
    return float(found[0]["value"][1]) if found else 0.0


def _memory_of(scene: Scene) -> int:
    (found,) = scene.watch.now("headrace_memory_bytes")
    return int(float(found["value"][1]))
