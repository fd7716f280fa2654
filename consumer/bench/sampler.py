"""CPU and memory of one process and its children, from outside."""

import psutil

from consumer.bench.repeating import Repeating

_INTERVAL = 0.2


def family_cpu(pid: int) -> float:
    """CPU seconds so far of a process, its children, and those that have ended."""
    own = psutil.Process(pid)
    spent = sum(own.cpu_times()[:4])
    for child in own.children():
        try:
            spent += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            # it is counted among those that have ended, or will be at the next look
            continue
    return spent


class Sampler(Repeating):
    """Samples a process while the context is open; a process that ends keeps its last figures."""

    def __init__(self, pid: int) -> None:
        super().__init__(_INTERVAL)
        self._process = psutil.Process(pid)
        self._cpu: dict[int, float] = {}
        self._peak = 0
        self.turn()

    def cpu(self) -> float:
        """CPU seconds so far, of the process and all children that were seen."""
        self.turn()
        return sum(self._cpu.values())

    @property
    def peak_mb(self) -> float:
        """The largest resident size of a single process, in MB of a million bytes."""
        return self._peak / 1e6

    def turn(self) -> None:
        """Look at all of them."""
        try:
            family = [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in family:
            try:
                times, memory = process.cpu_times(), process.memory_info()
            except psutil.NoSuchProcess:
                continue
            self._cpu[process.pid] = times.user + times.system
            self._peak = max(self._peak, memory.rss)
