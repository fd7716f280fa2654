"""Free loopback ports outside the kernel's range for outgoing connections, kept across restarts when still free."""

import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from consumer.stack.failures import transient

LOOPBACK = "127.0.0.1"
_LOWEST = 12000
_HIGHEST = 65000
_FALLBACK_RANGE = (32768, 60999)
_TRIES = 500


def choose(names: Iterable[str], kept: Mapping[str, int]) -> dict[str, int]:
    """One free port per name: the kept one if it is free, else a new one.

    Ports of the range for outgoing connections are avoided: a client that tries to reach a stopped server there can
    by chance connect to itself and hold the port.
    """
    with ExitStack() as held:
        return {name: _claim(kept.get(name), held) for name in names}


def is_free(port: int) -> bool:
    """True when a server could listen on this loopback port now."""
    with ExitStack() as held:
        return _bind(port, held)


def answers(port: int) -> bool:
    """True when something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _claim(kept: int | None, held: ExitStack) -> int:
    if kept is not None and _bind(kept, held):
        return kept
    outgoing = range(_outgoing()[0], _outgoing()[1] + 1)
    for _ in range(_TRIES):
        port = random.randint(_LOWEST, _HIGHEST)
        if port not in outgoing and _bind(port, held):
            return port
    raise transient("ports", "no_free_port", f"no free loopback port in {_TRIES} tries", "Try again.")


def _bind(port: int, held: ExitStack) -> bool:
    taken = held.enter_context(socket.socket())
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((LOOPBACK, port))
        # two sockets that may reuse an address can both bind it, as long as neither listens
        taken.listen(1)
    except OSError:
        return False
    return True


def _outgoing() -> tuple[int, int]:
    source = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not source.exists():
        return _FALLBACK_RANGE
    low, high = source.read_text(encoding="ascii").split()
    return int(low), int(high)
