"""What a person has paused, and what that means for a partition."""

from dataclasses import dataclass
from datetime import datetime

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What may be paused: a target table, a topic, or one partition of a topic."""

    table: str | None = None
    topic: str | None = None
    partition: int | None = None

    def __str__(self) -> str:
        if self.table is not None:
            return f"table {self.table}"
        return f"topic {self.topic}" if self.partition is None else f"topic {self.topic}, partition {self.partition}"

    @property
    def words(self) -> str:
        """As commands name it."""
        if self.table is not None:
            return self.table
        return f"--topic {self.topic}" + ("" if self.partition is None else f" --partition {self.partition}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A person's pause."""

    of: Subject
    actor: str
    reason: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.of}: paused by {self.actor}: {self.reason}"


def why(paused: Paused) -> Failure:
    """Why a partition that is paused does not go on."""
    remedy = f"Resume it when the time has come: headrace tables resume {paused.of.words}"
    return failed(KINDS["table.paused"], "holdings", "take", str(paused), remedy=remedy)
