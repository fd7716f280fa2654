"""What a fault test works with: servers that it may break, feeds and a group of its own, and the oracle."""

import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from consumer.stack.options import Endpoints
from consumer.stack.stack import Stack
from tests.real.engine.feed import Feed, fresh_name
from tests.real.engine.load import Load
from tests.real.engine.witness import Target
from tests.real.engine.worker import Job, Process, Workers, eventually

from .books import Books, Jump, Origin
from .link import Link
from .log import Place
from .oracle import Expected, Oracle

# what was measured, for the summary: seconds and what became of the records, by test
RECOVERIES: dict[str, tuple[float, str]] = {}
# within which everything is applied again after a fault; the machine may be busy
RECOVERY = 180.0


@dataclass(frozen=True, slots=True)
class Ground:
    """The servers of all fault tests: where they answer, and what may break them, unless others use them too.

    All clients of the broker go through `kafka`, whatever they are told.
    """

    at: Endpoints
    kafka: Link
    breakable: Stack | None = None

    @property
    def stack(self) -> Stack:
        """What may break them."""
        assert self.breakable is not None, "others use these servers too"
        return self.breakable


@dataclass(slots=True)
class Trial:
    """One fault with one seed: the seed chooses what is fed and where it breaks. Threads and servers take their own
    time, so a seed repeats the choices and not each step of the processes.
    """

    name: str
    seed: int
    ground: Ground
    target: Target
    workers: Workers
    chance: random.Random = field(init=False)
    job: Job = field(init=False)
    books: Books = field(init=False)
    feeds: list[Feed] = field(default_factory=list)
    _jumps: list[Jump] = field(default_factory=list)
    _running: list[Process] = field(default_factory=list)
    _since: float = 0.0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        rows = self.chance.choice((10, 20, 50))
        self.job = Job(at=self.ground.at, dsn=self.target.dsn, group=fresh_name("fault"), topics=(), max_rows=rows)
        self.books = Books(self.ground.at.kafka, self.target, self.job.group)

    @property
    def oracle(self) -> Oracle:
        """Of the feeds so far."""
        return Oracle(self.target, self.books, self.feeds)

    def on(self, target: Target) -> None:
        """Work with this target instead, from the first worker on."""
        self.target = self.books.target = target
        self.vary(dsn=target.dsn)

    def afresh(self) -> None:
        """A group that has read nothing yet, and a table without rows of which the witnesses know nothing."""
        for feed in self.feeds:
            self.target.do(f"TRUNCATE {feed.table}")
        self.target.do("TRUNCATE witness.moves, witness.writes")
        self.vary(group=fresh_name("fault"))
        self.books = self.books.of_another(self.job.group)

    def feed(self, table: str, partitions: int = 3, config: dict[str, str] | None = None) -> Feed:
        """A new topic of a table, which the job reads."""
        made = Feed(self.ground.at, table, fresh_name(table), partitions, config)
        self.feeds.append(made)
        self.books.add(made.topic, table, compacted=(config or {}).get("cleanup.policy") == "compact")
        self.vary(topics=(*self.job.topics, made.topic))
        return made

    def both(self, records: int = 0, partitions: int = 3) -> tuple[Feed, Feed]:
        """Keys that occur once, and few keys that change often; so many records of each."""
        once, churn = self.feed("once", partitions), self.feed("churn", partitions)
        if records:
            once.create(records)
            churn.churn(records, seed=self.seed, keys=self.chance.randrange(5, 60))
        return once, churn

    def load(self) -> Load:
        """Both tables fed while something breaks."""
        once, churn = self.both()
        return Load(once, churn, self.seed)

    def vary(self, **changes: Any) -> None:
        """Settings of the workers to come."""
        self.job = replace(self.job, **changes)

    def run(self, *arguments: str, **changes: Any) -> Process:
        """The unmodified program."""
        return self._noted(self.workers.run(replace(self.job, **changes), *arguments))

    def child(self, *words: str, **changes: Any) -> Process:
        """The tests' own child program."""
        return self._noted(self.workers.child(replace(self.job, **changes), *words))

    def decides(self, *words: str) -> Process:
        """A person's command, with a reason; it may still be under way."""
        return self.workers.command(self.job, *words, "--yes", "--reason", "a test has decided it")

    def decided(self, *words: str) -> None:
        """A person's command that is carried out."""
        process = self.decides(*words)
        assert process.finish() == 0, process.text()[-3000:]

    def jumps(self, at: Place, to: int, *, anew: bool = False) -> None:
        """A person is about to set a position from where it is: the oracle is told."""
        now = int(str(self.target.positions(self.job.group)[at]))
        self._jumps.append(Jump(at, now, to, anew))

    def lasts(self, seconds: float) -> None:
        """Let the fault last: its time is part of it, and no condition is waited for."""
        threading.Event().wait(seconds)

    def over(self) -> None:
        """The fault ends here: recovery is measured from now."""
        self._since = time.monotonic()

    def recovers(self, seconds: float = RECOVERY, but: tuple[Place, ...] = ()) -> None:
        """Wait until every stored position is at its partition's end, and note how long that took."""
        eventually(lambda: self.oracle.reached(but), f"all is applied: {self.target.stopped(self.job.group)}", seconds)
        self._recovered()

    def verify(self, letters: Mapping[Origin, str] | None = None) -> None:
        """End the workers in order, then everything that the oracle holds."""
        for process in self._running:
            assert process.code is not None or process.leave() == 0, process.text()[-3000:]
        account = self.oracle.verify(Expected(letters=letters or {}, jumps=self._jumps))
        seconds, _ = RECOVERIES.get(self.name, (0.0, ""))
        RECOVERIES[self.name] = seconds, str(account)

    def _recovered(self) -> None:
        seconds, _ = RECOVERIES.get(self.name, (0.0, ""))
        RECOVERIES[self.name] = max(seconds, time.monotonic() - self._since), ""

    def _noted(self, process: Process) -> Process:
        self._since = self._since or time.monotonic()
        self._running.append(process)
        return process
