"""How a worker ends when it is told to, once and again, by signals to a real process; nothing is left of it."""

import signal
import time
from dataclasses import replace

import psutil

from tests.light.scene import Scene, Topic
from tests.real.engine.worker import Job, Process, eventually

# a batch of one row takes so long
_SLOW = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep({}); RETURN NEW; END'"
# seconds that a batch takes which is not waited for, and in which all has ended then, on a busy machine too
_LONG, _SOON = 60.0, 30.0
_OURS = "application_name LIKE 'headrace w-%%'"


def _slow_job(scene: Scene, seconds: float, drain: float = 20.0) -> tuple[Job, Topic]:
    """A job whose next batch takes so many seconds."""
    topic = scene.topic("heavy")
    job = scene.job(topic, deadline=60.0, drain=drain)
    topic.send(1)
    scene.workers.until_current(job)
    scene.target.do(_SLOW.format(seconds))
    scene.target.do("CREATE TRIGGER slow BEFORE INSERT ON heavy FOR EACH ROW EXECUTE FUNCTION slow()")
    topic.send(2)
    return job, topic


def _begun(scene: Scene) -> None:
    query = f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep' AND {_OURS}"
    eventually(lambda: scene.target.ask(query) == [(1,)], "the batch is in flight")


def _nothing_is_left(scene: Scene, *, in_order: bool = True) -> None:
    """No session and no staging table; where it ended in order, no worker that seems to live either."""
    sessions = f"SELECT count(*) FROM pg_stat_activity WHERE {_OURS} AND datname = current_database()"
    eventually(lambda: scene.target.ask(sessions) == [(0,)], "no session", _SOON)
    staged = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'headrace%%'"
    assert scene.target.ask(staged) == [(0,)]
    if in_order:
        assert scene.target.ask("SELECT count(*) FROM headrace.workers") == [(0,)]


def _ended_within(worker: Process, seconds: float) -> int:
    began = time.monotonic()
    code = worker.finish(seconds + 20)
    assert time.monotonic() - began < seconds, f"it took {time.monotonic() - began:.1f} s"
    return code


def _rows(scene: Scene) -> int:
    return len(scene.target.ask("SELECT id FROM heavy"))


def test_told_once_the_batch_in_flight_has_its_time(scene: Scene) -> None:
    """It is applied, and then all is closed."""
    job, _ = _slow_job(scene, 2.0)
    worker = scene.workers.run(job)
    _begun(scene)
    worker.send(signal.SIGTERM)

    assert _ended_within(worker, _SOON) == 0
    assert _rows(scene) == 2
    _nothing_is_left(scene)


def test_told_again_the_batch_in_flight_is_undone(scene: Scene) -> None:
    """In a few seconds, in order; whoever is next applies it."""
    job, _ = _slow_job(scene, _LONG)
    worker = scene.workers.run(job)
    _begun(scene)
    worker.send(signal.SIGTERM)
    # as a terminal and a supervisor send it: at the same time, which means no hurry
    worker.send(signal.SIGINT)
    assert not _gone(worker, 1.5)
    worker.send(signal.SIGTERM)

    assert _ended_within(worker, _SOON) == 0
    assert worker.lines("told to stop again: the batch in flight is undone")
    assert _rows(scene) == 1
    _nothing_is_left(scene)
    scene.target.do("DROP TRIGGER slow ON heavy")
    scene.workers.until_current(job)
    assert _rows(scene) == 2


def test_a_batch_that_takes_too_long_ends_with_the_process(scene: Scene) -> None:
    """Within what whoever stops it gives it; the server does not work on for nobody."""
    job, _ = _slow_job(scene, _LONG, drain=1.0)
    life = {"name": job.name, "drain_timeout": job.drain, "stall_timeout": job.stall, "stop_within": 7}
    worker = scene.workers.run(replace(job, sections={"worker": life}))
    _begun(scene)
    worker.send(signal.SIGTERM)

    code = _ended_within(worker, _SOON)
    assert code in (0, 1)
    assert _rows(scene) == 1
    _nothing_is_left(scene, in_order=code == 0)


def test_a_supervisor_passes_both_signals_on(scene: Scene) -> None:
    """Its workers undo what is in flight, and none outlives it."""
    job, _ = _slow_job(scene, _LONG)
    supervisor = scene.workers.run(job, "--workers", "2")
    _begun(scene)
    children = psutil.Process(supervisor.pid).children(recursive=True)
    supervisor.send(signal.SIGTERM)
    assert not _gone(supervisor, 1.5)
    supervisor.send(signal.SIGTERM)

    assert _ended_within(supervisor, _SOON) == 0
    assert not [child for child in children if child.is_running()]
    _nothing_is_left(scene)


def test_a_worker_that_can_not_end_does_not_hold_its_supervisor_up(scene: Scene) -> None:
    """Within what whoever stops it gives it; nothing is left."""
    topic = scene.topic("light")
    job = scene.job(topic, deadline=60.0, drain=1.0)
    topic.send(1)
    scene.workers.until_current(job)
    life = {"name": job.name, "drain_timeout": job.drain, "stall_timeout": job.stall, "stop_within": 7}
    supervisor = scene.workers.run(replace(job, sections={"worker": life}), "--workers", "2")
    workers = "SELECT count(*) FROM headrace.workers WHERE state = 'running'"
    eventually(lambda: scene.target.ask(workers) == [(2,)], "both work")
    children = psutil.Process(supervisor.pid).children(recursive=True)
    children[0].suspend()
    supervisor.send(signal.SIGTERM)

    assert _ended_within(supervisor, _SOON) == 1
    # what is killed takes a moment to be gone
    eventually(lambda: not [child for child in children if _runs(child)], "no worker", _SOON)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _gone(worker: Process, seconds: float) -> bool:
    try:
        psutil.Process(worker.pid).wait(seconds)
    except psutil.TimeoutExpired:
        return False
    except psutil.NoSuchProcess:
        return True
    return True
