"""A loop where no worker's life turns it."""

import threading

from structlog.testing import capture_logs

from consumer.background.loops import turning
from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS

SECRET = "sesame"


def test_it_turns_until_it_is_told_to_stop_and_ends_what_it_owns() -> None:
    """On its own thread, all of it."""
    turned, ended = threading.Event(), []
    with turning("looks", lambda timeout: turned.set(), lambda: ended.append(threading.current_thread().name)) as loop:
        assert turned.wait(10)
        assert (loop.alive, ended) == (True, [])
    assert (loop.alive, ended) == (False, ["looks"])


def test_what_ends_it_is_said_once_and_without_its_words() -> None:
    """They may quote rows; whoever has begun it goes on."""
    ended = threading.Event()

    def turn(timeout: float) -> None:
        raise ValueError(SECRET)

    with capture_logs() as logs, turning("looks", turn, ended.set):
        assert ended.wait(10)
    assert [entry["event"] for entry in logs] == ["loop ended"]
    assert "ValueError at test_loops.py" in logs[0]["reason"]
    assert SECRET not in str(logs)


def test_what_can_not_be_closed_is_said() -> None:
    """The end is one all the same."""

    def finish() -> None:
        raise Transient(failed(KINDS["target.connection"], "postgres", "keep", "it is away"))

    with capture_logs() as logs, turning("looks", lambda timeout: None, finish) as loop:
        pass
    assert ([entry["event"] for entry in logs], loop.alive) == (["closing failed"], False)
