"""Waiting for a condition with a deadline: the only place in the stack that lets time pass."""

import time
from collections.abc import Callable

_INTERVAL = 0.05


def wait_until(condition: Callable[[], bool], seconds: float, interval: float = _INTERVAL) -> bool:
    """True as soon as the condition holds, False when it does not within the time.

    The condition is tried at least once; what it raises goes through.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True
