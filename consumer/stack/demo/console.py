"""The web console beside the demonstration: `headrace admin serve` as a process, on a port that nobody else has."""

from collections.abc import Callable

import psutil

from consumer.stack import ports
from consumer.stack.demo.failures import console_ended
from consumer.stack.demo.line import Line, own
from consumer.stack.process import Process, Spawner

_PORT = 8470


def free_port() -> int:
    """The one that the console has elsewhere, or any that is free."""
    return ports.choose(["console"], {"console": _PORT})["console"]


class Console:
    """Runs from its making to `close`. `choose` gives a port that is free now, and is asked again when it was taken."""

    def __init__(self, line: Line, choose: Callable[[], int] = free_port) -> None:
        self._line = line
        self._choose = choose
        self._spawner = Spawner()
        self._listens = False
        self._again = True
        self._process = self._start()

    @property
    def address(self) -> str | None:
        """Where it answers; None until it is this very process that listens there."""
        return f"http://{ports.LOOPBACK}:{self._port}" if self._listens else None

    def check(self) -> None:
        """Looks whether it listens. Raises when it has ended; once it is started on another port before that."""
        if self._process.code is None:
            self._listens = self._listens or _listens(self._process.pid, self._port)
        elif self._again and not self._listens:
            self._again = False
            self._process = self._start()
        else:
            raise console_ended(self._process.code, self._process.log)

    def close(self) -> None:
        """Ends it in order."""
        self._process.stop()
        self._spawner.close()

    def _start(self) -> Process:
        # somebody else may have it before it is bound: so late, and looked at
        self._port = self._choose()
        return own(self._line, self._spawner, "console", ("admin", "serve"), f"port = {self._port}\nguide = true\n")


def _listens(pid: int, port: int) -> bool:
    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in found)
