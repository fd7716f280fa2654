"""A comparison while rows are written and applied some moments later: never a difference that is none."""

import random
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
import pytest

from consumer.ports.reconcile import Came, Mark
from consumer.recovery.reconciling import Limits
from consumer.stack.waiting import wait_until
from tests.pg.comparing import Connector, Scene, opened
from tests.pg.conftest import Pools

ROWS, SECONDS = 2_000, 2.0
# rows that only the first half of the writes is about
_LEFT_ALONE = 7


class Pipeline(Connector):
    """Writes at the source, and applies each change some milliseconds later, in order, each by a thread of its own."""

    def __init__(self, scene: Scene, lag: float) -> None:
        super().__init__()
        self._scene = scene
        self._lag = lag
        self._log: deque[tuple[float, str]] = deque()
        self._written = self._applied = 0
        self._ended, self._whole = threading.Event(), threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Both threads, until the end of it; then all is applied."""
        writer, applier = (threading.Thread(target=each, daemon=True) for each in (self._write, self._apply))
        writer.start()
        applier.start()
        try:
            yield
        finally:
            self._ended.set()
            writer.join(30)
            self._whole.set()
            applier.join(30)

    def came(self, _: Mark) -> tuple[Came, str]:
        """What is written is in the log."""
        return Came.CONFIRMED, ""

    def ends(self, _: str) -> Mapping[int, int]:
        """Where it ends."""
        return {0: self._written}

    def reached(self, _: str, ends: Mapping[int, int]) -> bool:
        """Whether all of that is applied."""
        return self._applied >= ends[0]

    def _write(self) -> None:
        chance = random.Random(3)
        with psycopg.connect(self._scene.server, autocommit=True) as source:
            while not self._ended.is_set():
                key = chance.randint(1, ROWS)
                if key % 10 == _LEFT_ALONE:
                    continue
                change = chance.choice(
                    [
                        f"INSERT INTO {{}} VALUES ({key}, 'again') ON CONFLICT (id) DO UPDATE SET word = 'again'",
                        f"INSERT INTO {{}} VALUES ({key}, 'w') ON CONFLICT (id) DO UPDATE SET word = 'w'",
                        f"DELETE FROM {{}} WHERE id = {key}",
                        # rows that are written all the time, to and fro
                        f"UPDATE {{}} SET word = CASE word WHEN 'a' THEN 'b' ELSE 'a' END WHERE id IN (1, 2, {key})",
                    ]
                )
                # in front of its commit: whoever has seen it waits for it
                self._written += 1
                source.execute(change.format(f"{self._scene.theirs}.t").encode())
                self._log.append((time.monotonic(), change))

    def _apply(self) -> None:
        with psycopg.connect(self._scene.server, autocommit=True) as target:
            while change := self._late():
                target.execute(change.format(self._scene.table).encode())
                self._applied += 1

    def _late(self) -> str:
        """The next change, when it is old enough; nothing when there are no more."""

        def come() -> bool:
            return bool(self._log) and time.monotonic() >= self._log[0][0] + self._lag

        def over() -> bool:
            return self._whole.is_set() and not self._log

        assert wait_until(lambda: come() or over(), 60, interval=0.001)
        return self._log.popleft()[1] if self._log else ""


@pytest.fixture
def scene(session: psycopg.Connection, server: str, pools: Pools, group: str, schema: str) -> Iterator[Scene]:
    """Equal tables."""
    with opened(session, server, pools(), group, schema) as made:
        made.limits = Limits(range_rows=200, rate=1e9, patience=1e9, rounds=3)
        made.make("id bigint PRIMARY KEY, word text", "id bigint PRIMARY KEY, word text")
        for table in ("{s}", "{t}"):
            made.do(f"INSERT INTO {table} SELECT n, 'w' FROM generate_series(1, {ROWS}) n")
        yield made


@pytest.mark.parametrize("lag", [0.0, 0.05])
def test_what_is_only_behind_is_not_called_different_and_what_differs_is(scene: Scene, lag: float) -> None:
    """However often it is compared; rows that are left alone and changed by hand are found each time."""
    pipeline = Pipeline(scene, lag)
    scene.connector = pipeline
    with pipeline.running():
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            step = scene.compared()
            assert {said for said, _ in scene.found(step).values()} <= {"moving"}
            scene.session.execute("DELETE FROM headrace.workflows WHERE group_name = %s", (scene.group,))
        scene.do("UPDATE {t} SET word = 'by hand' WHERE id = 77")
        scene.do("DELETE FROM {t} WHERE id = 1997")
        found = scene.found(scene.compared())
    sure = {key: said for key, (said, _) in found.items() if said != "moving"}
    assert sure == {("77",): "different", ("1997",): "missing"}
    assert scene.compared().differences == 2
