"""A search of letters by values, by workers: killed, it reads each letter once; what it finds is sent."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed
from .letters import Scene
from .wire import Proxy
from .witness import Target
from .worker import Workers, eventually

BAD = 300


@pytest.fixture
def scene(at: Endpoints, target: Target, fresh_feed: Callable[..., Feed]) -> Scene:
    """A topic of one partition."""
    return Scene(at, target, fresh_feed("once", 1))


def test_what_a_search_finds_is_sent_again_though_its_worker_was_killed(
    scene: Scene, workers: Workers, proxy: Proxy
) -> None:
    """Of letters that are kept, and of one that only points to its record; nothing else is sent."""
    scene.job = replace(scene.job, letters={**scene.job.letters, "inline_bytes": 200, "flood_percent": 100})
    for key in range(1, BAD + 1):
        scene.feed.send("c", key, "wanted" if key % 3 == 0 else "x" * (300 if key == 1 else 1), 666)
    scene.feed.flush()
    worker = workers.run(scene.job)
    count = "SELECT count(*) FROM headrace.letters WHERE state = 'dead'"
    eventually(lambda: scene.target.ask(count) == [(BAD,)], "all are letters")
    assert worker.leave() == 0
    scene.heal()

    def said(*words: str) -> Any:
        done = workers.command(scene.job, *words, "--output", "ndjson")
        assert done.finish() == 0, done.text()
        return [json.loads(line) for line in done.text().splitlines() if line.startswith("{")]

    where = ("--where", "after.label = wanted", "--where", "key.id > 150")
    (made,) = said("dlq", "search", *where, "--reason", "ticket 5")
    number = str(made["job"])
    hold = proxy.before("UPDATE headrace.job_items i SET state = w.state", 1)
    victim = workers.run(replace(scene.job, dsn=proxy.dsn))
    hold.wait()
    victim.kill()
    hold.discard()
    # how many are read at a time is a matter of the machine, too
    ((read,),) = scene.target.ask("SELECT count(*) FROM headrace.job_items WHERE state <> 'unread'")
    assert 0 < int(str(read)) < BAD
    worker = workers.run(scene.job)
    (status,) = said("replay", "status", number, "--follow")
    wanted = [key for key in range(151, BAD + 1) if key % 3 == 0]
    assert status["counts"] == {"met": len(wanted), "unmet": BAD - len(wanted)}

    (looked,) = said("replay", "start", "--job", number, "--dry-run")
    assert looked["goes"] == len(wanted)
    words = ("--rate", "5000", "--reason", "ticket 5", "--yes", "--expect", str(len(wanted)))
    (sent,) = said("replay", "start", "--job", number, *words)
    (done,) = said("replay", "status", str(sent["job"]), "--follow")
    assert done["counts"] == {"applied": len(wanted)}
    assert scene.target.rows("once") == dict.fromkeys(wanted, ("wanted", 666))
    assert worker.leave() == 0
