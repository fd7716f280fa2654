"""One topic whose table refuses the amount 666, one group with short delays, and what its letters say."""

from contextlib import closing
from typing import Any

from consumer.core.markers import UNAVAILABLE
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.registry import HttpRegistry
from consumer.stack.options import Endpoints
from dlq.actions import replay
from dlq.edit import edit
from dlq.payload import Sources

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, eventually

SOON = {"delays": [0.3, 0.6]}


class Scene:
    """The topic has one partition."""

    def __init__(self, at: Endpoints, target: Target, feed: Feed) -> None:
        self.target, self.feed = target, feed
        target.do("ALTER TABLE once ADD CONSTRAINT devilish CHECK (amount <> 666)")
        self.job = Job(at=at, dsn=target.dsn, group=fresh_name("lane"), topics=(feed.topic,), letters=SOON, growth=1)

    def states(self) -> str:
        """Partition, offset and first letter of each letter's state, in order."""
        query = (
            'SELECT partition, "offset", state FROM headrace.letters WHERE group_name = %s ORDER BY partition, "offset"'
        )
        return " ".join(
            f"{part}/{offset}{str(state)[0]}" for part, offset, state in self.target.ask(query, self.job.group)
        )

    def ids(self) -> list[int]:
        """The letters' ids, in the order of their records."""
        query = 'SELECT id FROM headrace.letters WHERE group_name = %s ORDER BY partition, "offset"'
        return [int(str(row[0])) for row in self.target.ask(query, self.job.group)]

    def comes_to(self, states: str) -> None:
        """Wait for the letters to be in these states."""
        eventually(lambda: self.states() == states, f"letters {states}")

    def partial(self, amount: int) -> None:
        """A change of row 1 without its label."""
        self.feed.raw(self.feed.encode("u", 1, {"id": 1, "label": UNAVAILABLE, "amount": amount}), 1)
        self.feed.flush()

    def bad(self) -> None:
        """The row 1 as the table does not take it."""
        self.feed.send("c", 1, "bad", 666)
        self.feed.flush()

    def heal(self) -> None:
        """Let the table take it."""
        self.target.do("ALTER TABLE once DROP CONSTRAINT devilish")

    def replay(self) -> tuple[int, ...]:
        """Send all dead letters again; returns which."""
        with self.target.connected() as connection:
            return replay(connection, self.job.group, self.ids()).changed

    def edit(self, letter: int, column: str, value: Any) -> tuple[str, ...]:
        """Change one column of a letter's row; returns what changed."""
        patch = [{"op": "replace", "path": f"/after/{column}", "value": value}]
        with (
            self.target.connected() as connection,
            closing(HttpRegistry(self.job.at.registry_url, CircuitBreaker("registry"))) as registry,
        ):
            sources = Sources(registry=registry, fetch=lambda ref, known: None)
            return edit(connection, self.job.group, letter, patch, "a person", sources)
