"""F14: the registry is away, slow, sick or ignorant: known schemas go on, unknown ones wait."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.real.engine.feed import Feed
from tests.real.engine.worker import eventually

from .front import Front
from .link import Link
from .trial import Trial


@pytest.fixture
def front(trial: Trial) -> Iterator[Front]:
    """A gateway in front of the registry."""
    with Front(trial.ground.at.registry_url) as opened:
        yield opened


@pytest.fixture
def way(trial: Trial, front: Front) -> Iterator[Link]:
    """The worker's way to the gateway."""
    with Link(lambda: ("127.0.0.1", front.server_port)) as opened:
        trial.vary(registry_url=front.url.replace(str(urlsplit(front.url).port), str(opened.port)))
        yield opened


_BREAKS: dict[str, tuple[Callable[[Link, Front], None], Callable[[Link, Front], None]]] = {
    "refused": (lambda way, front: way.refuse(), lambda way, front: way.accept()),
    "silent": (lambda way, front: way.stop(), lambda way, front: way.go()),
    "503": (lambda way, front: setattr(front, "status", 503), lambda way, front: setattr(front, "status", 0)),
    "429": (lambda way, front: setattr(front, "status", 429), lambda way, front: setattr(front, "status", 0)),
    "a gateway's 404": (
        lambda way, front: setattr(front, "status", 404),
        lambda way, front: setattr(front, "status", 0),
    ),
}


def _in_need(trial: Trial, once: Feed) -> Feed:
    """The other topic, of which nothing is known yet, and more of the one that is known."""
    once.create(100)
    assert trial.run("--until-current").finish() == 0
    churn = trial.feed("churn")
    once.create(100)
    return churn


@pytest.mark.parametrize("what", _BREAKS)
def test_f14_the_registry_is_sick(trial: Trial, way: Link, front: Front, what: str) -> None:
    """What is known goes on, also in a new worker; what is not waits without a letter until it is well again."""
    once = trial.feed("once")
    churn = _in_need(trial, once)
    breaks, mends = _BREAKS[what]
    breaks(way, front)
    worker = trial.run()
    trial.recovers()
    churn.churn(100, seed=trial.seed)
    worker.said("partition waits", 2, 90)
    assert {line["kind"] for line in worker.lines("partition waits")} <= {"registry.away", "registry.status"}
    mends(way, front)
    trial.over()
    trial.recovers()
    assert worker.lines("partition stopped") == []
    trial.verify()


def test_f14_known_topics_go_on_beside_an_unknown_one(trial: Trial, way: Link) -> None:
    """One worker reads both while the registry is away."""
    once = trial.feed("once")
    churn = _in_need(trial, once)
    way.refuse()
    churn.churn(100, seed=trial.seed)
    worker = trial.run()
    worker.said("partition waits", 1, 90)
    once.create(100)
    trial.recovers(but=tuple(churn.ends()))


def _unknown(feed: Feed, key: int) -> bytes:
    return b"\0\x7f\xff\xff\xff" + feed.encode("c", key, {"id": key, "label": "x", "amount": 1})[5:]


@pytest.mark.short
def test_f14_an_id_that_the_registry_does_not_know_is_a_letter(trial: Trial) -> None:
    """After it was waited for; its neighbours are applied."""
    once = trial.feed("once", 1)
    before = trial.chance.randrange(1, 60)
    once.create(before)
    once.raw(_unknown(once, 1000), 1000)
    once.create(60)
    trial.run()
    trial.recovers()
    trial.verify({(once.topic, 0, before): "dead"})


def test_f14_an_id_that_becomes_known_in_time_is_no_letter(trial: Trial, front: Front) -> None:
    """A registry that lags behind its primary answers 404 for a moment."""
    trial.vary(grace=60.0)
    once = trial.feed("once", 1)
    once.create(60)
    front.status, front.body = 404, b'{"error_code": 40403}'
    worker = trial.run(registry_url=front.url, grace=60.0)
    eventually(lambda: front.asked > 1, "the worker has asked again")
    assert trial.oracle.letters() == {}
    front.status = 0
    trial.over()
    trial.recovers()
    assert worker.lines("partition stopped") == []
    trial.verify()
