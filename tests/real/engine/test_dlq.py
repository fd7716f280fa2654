"""A person's way through a failure on the command line: found, understood, put right, while a worker runs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed
from .letters import Scene
from .witness import Target
from .worker import Workers


@pytest.fixture
def scene(at: Endpoints, target: Target, fresh_feed: Callable[..., Feed]) -> Scene:
    """A topic of one partition."""
    return Scene(at, target, fresh_feed("once", 1))


def test_a_bad_record_is_found_understood_and_put_right(scene: Scene, workers: Workers) -> None:
    """From its group to its letter, what it holds and would do, an edit, a replay, and what became of it."""
    scene.feed.send("c", 2, "good", 5)
    scene.bad()
    worker = workers.run(scene.job)
    scene.comes_to("0/1d")

    def told(*words: str, code: int = 0) -> Any:
        done = workers.command(scene.job, "dlq", *words, "--output", "ndjson")
        assert done.finish() == code, done.text()
        return json.loads(done.text().splitlines()[0])

    group = told("groups")
    assert (group["kind"], group["topic"], group["states"]) == ("record.check", scene.feed.topic, {"dead": 1})
    letter = str(told("ls", "--group", group["fingerprint"], "--state", "dead")["id"])
    shown = told("show", letter, "--payload", "--difference")
    assert shown["payload"]["value"]["values"]["after"] == {"id": 1, "label": "bad", "amount": 666}
    assert (shown["difference"]["effect"], shown["difference"]["refused"]["kind"]) == (None, "record.check")
    assert shown["schema"] == []

    told("edit", letter, "--set", "amount:=7", "--reason", "ticket 9")
    cells = {
        cell["column"]: (cell["now"], cell["then"])
        for cell in told("show", letter, "--difference")["difference"]["cells"]
    }
    assert cells["amount"] == (None, "7")
    looked = workers.command(
        scene.job, *["replay", "start", "--dry-run", "--rows", "--output", "ndjson", "--id"], letter
    )
    assert looked.finish() == 0, looked.text()
    weighed = json.loads(looked.text().splitlines()[0])["rows"][letter]
    assert (weighed["effect"], [cell["then"] for cell in weighed["cells"]]) == ("insert", ["1", "bad", "7"])
    assert scene.target.rows("once") == {2: ("good", 5)}
    assert told("replay", letter, "--reason", "ticket 9", "--dry-run")["done"]
    assert told("replay", letter, "--reason", "ticket 9", "--yes")["done"]
    scene.comes_to("0/1a")
    assert scene.target.rows("once") == {2: ("good", 5), 1: ("bad", 7)}

    ended = told("show", letter)
    assert ended["letter"]["state"] == "applied"
    assert [(each["action"], each["reason"]) for each in reversed(ended["decisions"]) if each["reason"]] == [
        ("edit letter", "ticket 9"),
        ("view payload", "a dry run"),
        ("replay letters", "ticket 9"),
    ]
    assert told("groups", "--state", "applied")["states"] == {"applied": 1}
    assert worker.leave() == 0
