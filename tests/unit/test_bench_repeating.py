"""A thread that repeats: what ends it is never hidden."""

import threading

import pytest

from consumer.bench.repeating import Repeating


class _Failing(Repeating):
    def __init__(self) -> None:
        super().__init__(0.0)
        self.failed = threading.Event()

    def turn(self) -> None:
        self.failed.set()
        raise ValueError("no more")


def test_what_ended_the_thread_is_raised_where_the_context_ends() -> None:
    with pytest.raises(ValueError, match="no more"), _Failing() as repeating:
        assert repeating.failed.wait(30)


def _waits_in_vain() -> None:
    with _Failing() as repeating:
        assert repeating.failed.wait(30)
        raise KeyError("waited in vain")


def test_what_is_raised_meanwhile_tells_of_it() -> None:
    with pytest.raises(KeyError) as caught:
        _waits_in_vain()
    assert caught.value.__notes__ == ["thread '_failing' had ended: ValueError('no more')"]
