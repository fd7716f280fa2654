"""Kafka Connect's connectors as it tells of them, and what of that a person should know."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consumer.core.lag import Source

_CLASS = re.compile(r"^(?:Caused by: )?([A-Za-z_$][\w.$]*\.[A-Z][\w$]*)", re.MULTILINE)
# what of a trace is looked at: one that is longer says nothing new
_MOST = 65_536
_RESTART = "headrace connectors restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A connector's task. `failure`: the exceptions' classes, the outermost first; their words may quote rows."""

    id: int
    state: str
    failure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """A connector and its tasks. `topics`: those that it has written or read, as far as Connect knows. `key_columns`:
    `message.key.columns` of a connector for PostgreSQL, whose log has not all columns of what was there before.
    """

    name: str
    kind: str
    state: str
    failure: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    topics: frozenset[str] = frozenset()
    key_columns: str = ""

    def writes(self, reads: Callable[[str], bool]) -> bool:
        """Whether it is known to write a topic that is read."""
        return self.kind == "source" and any(map(reads, self.topics))

    def may_write(self, reads: Callable[[str], bool]) -> bool:
        """The same, also where it is a source whose topics Kafka Connect does not tell, as before its first record."""
        return self.writes(reads) or (self.kind == "source" and not self.topics)

    @property
    def condition(self) -> str:
        """In one word: how it is, or how the task that is worst is."""
        states = [self.state, *(task.state for task in self.tasks)]
        for worst in ("FAILED", "STOPPED", "PAUSED", "UNASSIGNED", "RESTARTING"):
            if worst in states:
                return worst.lower()
        return "running" if self.tasks else "without tasks"

    @property
    def failures(self) -> list[str]:
        """Of itself and its tasks, each once: the outermost exception and the one behind it all."""
        chains = [self.failure, *(task.failure for task in self.tasks)]
        return list(dict.fromkeys(" from ".join(dict.fromkeys((chain[0], chain[-1]))) for chain in chains if chain))

    @property
    def why(self) -> str:
        """Why nothing comes from it, in words; nothing where it runs."""
        if self.condition == "running":
            return ""
        said = f" ({'; '.join(self.failures)})" if self.failures else ""
        return f"connector {self.name} is {self.condition} in Kafka Connect{said}"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if self.condition == "failed":
            return f"Read Kafka Connect's log, put the cause right, then: {_RESTART} {self.name}"
        if self.condition in ("paused", "stopped"):
            return f"Ask who {self.condition} it. Kafka Connect resumes it by PUT /connectors/{self.name}/resume"
        return "Look at Kafka Connect's workers; it may be moving connectors between them."


def classes(trace: str) -> tuple[str, ...]:
    """The exceptions' classes of a trace, without a word of their messages."""
    return tuple(dict.fromkeys(_CLASS.findall(trace[:_MOST])))


def silent(connectors: Sequence[Connector]) -> list[Source]:
    """Sources from which nothing comes."""
    return [
        Source(why=one.why, remedy=one.remedy, topics=one.topics)
        for one in connectors
        if one.kind == "source" and one.why
    ]
