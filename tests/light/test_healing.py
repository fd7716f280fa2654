"""Acts of self-healing by whole processes, and what people see of them."""

import json
import signal

import psutil

from tests.light.scene import Scene
from tests.real.engine.worker import eventually

_HEALED = "SELECT act, subject, detail FROM headrace.healing ORDER BY id"


def test_a_session_that_ends_and_a_worker_that_dies_are_in_the_record(scene: Scene) -> None:
    """The one is opened again by its worker, the other started again by the supervisor; commands and metrics tell."""
    topic = scene.topic("plain")
    topic.send(1)
    job = scene.job(topic)
    supervisor = scene.workers.run(job, "--workers", "2")
    eventually(lambda: scene.target.ask("SELECT to_regclass('public.plain') IS NOT NULL") == [(True,)], "it is applied")
    ended = "SELECT count(pg_terminate_backend(owner_pid)) FROM headrace.positions WHERE owner_pid IS NOT NULL"
    scene.target.ask(ended)
    topic.send(2)
    eventually(lambda: scene.target.ask("SELECT count(*) FROM plain") == [(2,)], "it goes on")
    eventually(lambda: ("reconnected", "target", "target.connection") in scene.target.ask(_HEALED), "that is kept")

    ((name,),) = scene.target.ask("SELECT owner FROM headrace.positions")
    psutil.Process(int(str(name).split("-")[1])).send_signal(signal.SIGKILL)
    died = ("worker restarted", "worker", "it died with exit code -9")
    eventually(lambda: died in scene.target.ask(_HEALED), "the death is kept")
    topic.send(3)
    eventually(lambda: scene.target.ask("SELECT count(*) FROM plain") == [(3,)], "it goes on again")

    command = scene.workers.command(job, "healing", "--output", "json")
    assert command.finish() == 0, command.text()
    told = json.loads(command.text()[command.text().index("[\n") :])
    assert {each["act"] for each in told} >= {"reconnected", "worker restarted"}
    assert supervisor.leave() == 0
