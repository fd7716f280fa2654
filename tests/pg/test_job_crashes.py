"""Whatever fails, is decided or crashes between steps: each item of a job comes to one end, and that is its letter's.

A crash is an exception in front of a step's COMMIT, behind everything that it wrote, or in the middle.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.core.jobs import JobKind, Progress, Step, next_step
from consumer.core.steering import Steer
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.jobs import Portion, PostgresJobs
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import SessionSettings
from consumer.ports.desk import Note
from dlq.actions import discard, replay
from dlq.jobs import decide
from tests.pg.job_scene import Scene

NUMBERS = count()
ENDS = {"applied", "superseded", "dead", "discarded", "skipped", "cancelled"}
LETTERS = st.lists(st.integers(0, 3), min_size=1, max_size=8)
MOVES = st.one_of(
    st.tuples(st.just("step"), st.sampled_from(["", "deciding", "acting"])),
    st.tuples(st.just("step"), st.sampled_from(["", "acting"])),
    st.tuples(st.just("comes back"), st.integers(0, 7), st.booleans()),
    st.tuples(st.just("comes back"), st.integers(0, 7), st.booleans()),
    st.tuples(st.just("supersede"), st.integers(0, 7)),
    st.tuples(st.just("discard"), st.integers(0, 7)),
    st.tuples(st.just("replay"), st.integers(0, 7)),
    st.tuples(st.just("decide"), st.sampled_from(Steer)),
)


class Crash(Exception):
    """The worker is gone."""


class Play:
    """A group with a job of its letters, which are of a few rows."""

    def __init__(self, session: psycopg.Connection, pool: TargetPool, rows: Sequence[int], canary: int) -> None:
        self.scene = Scene(session, pool, f"crashing-{next(NUMBERS)}")
        self.ids = [self.scene.letters(row=row, first=place)[0] for place, row in enumerate(rows)]
        self.number = self.scene.start(canary=canary, stop_ratio=0.5)
        self.seen = self.scene.ends(self.number)
        self.by_hand = 0
        self._pool = pool

    def move(self, what: str, *how: Any) -> None:
        """Do one thing, and look whether an end has stayed one."""
        moves: dict[str, Callable[..., object]] = {
            "step": self.step,
            "comes back": self.comes_back,
            "supersede": self.supersede,
            "discard": lambda place: discard(self.scene.session, self.scene.group, [self.at(place)], "a person"),
            "replay": self.replay,
            "decide": self.decide,
        }
        moves[what](*how)
        now = self.scene.ends(self.number)
        assert all(
            before in ("waiting", "sent") or before == after for before, after in zip(self.seen, now, strict=True)
        )
        assert all(after != "waiting" for before, after in zip(self.seen, now, strict=True) if before != "waiting")
        self.seen = now

    def at(self, place: int) -> int:
        """A letter."""
        return self.ids[place % len(self.ids)]

    def step(self, crash: str) -> None:
        """A step of a worker, which may not come to its end."""
        if not crash:
            self.scene.step()
            return

        def act(session: psycopg.Connection, group: str, portion: Portion) -> Sequence[int]:
            replay(session, group, portion.letters, most=3)
            raise Crash

        def decide(progress: Progress) -> Step:
            raise Crash

        dying = PostgresJobs(self._pool, self.scene.group, {JobKind.REPLAY: act})
        with suppress(Crash):
            dying.step(decide if crash == "deciding" else next_step)

    def comes_back(self, place: int, fits: bool) -> None:
        """One that was sent does, if it was."""
        self.scene.comes_back(self.at(place), fits=fits)

    def replay(self, place: int) -> None:
        """A person sends one, beside the job."""
        self.by_hand += len(replay(self.scene.session, self.scene.group, [self.at(place)], most=3).changed)

    def supersede(self, place: int) -> None:
        """A full image of the row is applied: it closes its open letters."""
        self.scene.session.execute(
            """
            UPDATE headrace.letters l SET state = 'superseded', closed_at = now(), reason = 'a later change'
            FROM headrace.letters o WHERE o.id = %s AND l.group_name = o.group_name AND l.digest_a = o.digest_a
              AND l.state IN ('retrying', 'held', 'dead', 'replaying')
            """,
            (self.at(place),),
        )

    def decide(self, decision: Steer) -> None:
        """A person does, if it fits."""
        state = self.scene.job(self.number).state
        fits = {Steer.PAUSE: ("planned", "canary", "running"), Steer.RESUME: ("paused", "stopped")}
        if state in fits.get(decision, ("planned", "canary", "running", "paused", "stopped")):
            decide(self.scene.session, self.scene.group, self.number, decision, Note("me@here", "because"))

    def finish(self) -> None:
        """The server is well again, and a person has the job go on until nothing is left."""
        for _ in range(20):
            self.decide(Steer.RESUME)
            self.move("step", "")
            for place in range(len(self.ids)):
                self.move("comes back", place, True)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LETTERS, st.integers(0, 3), st.lists(MOVES, min_size=3, max_size=25))
def test_each_item_comes_to_one_end(
    server: str, session: psycopg.Connection, rows: Sequence[int], canary: int, moves: Sequence[tuple[Any, ...]]
) -> None:
    """Nothing is lost, nothing is sent twice by one job, and what is said of a letter is so."""
    pool = TargetPool(SessionSettings(dsn=server, worker="jobs"), CircuitBreaker("target"))
    try:
        play = Play(session, pool, rows, canary)
        for move in moves:
            play.move(*move)
        play.finish()
    finally:
        pool.close()
    assert set(play.seen) <= ENDS
    assert play.scene.job(play.number).state in ("done", "cancelled")
    items = play.scene.items(play.number)
    query = "SELECT sum(replays) FROM headrace.letters WHERE group_name = %s"
    sent = sum(item.sent_at is not None for item in items)
    assert session.execute(query, (play.scene.group,)).fetchone() == (sent + play.by_hand,)
    for item in items:
        state = play.scene.state(item.letter)
        if item.state in ("applied", "superseded", "discarded"):
            assert state == item.state
        assert (item.sent_at is not None) == (item.state in ("applied", "superseded", "dead", "discarded") or (
            item.state == "skipped" and item.why.startswith("it waits for letter")
        ))  # fmt: skip
