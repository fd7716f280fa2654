"""What can be switched off while it runs: a closed list, each flag with what that means.

`docs/reference/flags.md` is written from here. Every flag is on unless somebody has set it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from consumer.core.roles import Role


class Flag(StrEnum):
    """The name of each."""

    COLUMNAR_DECODER = "columnar-decoder"
    SCHEMA_EVOLUTION = "schema-evolution"
    RETRY_LANE = "retry-lane"
    DEAD_LETTERS = "dead-letter-publishing"
    COLUMN_CHECKS = "column-checks"
    TRACING = "tracing"
    CONNECT_WATCH = "connect-watch"
    RECONCILIATION = "reconciliation"
    TABLE_APPLY = "table-apply"
    CONSOLE_WRITES = "console-writes"


class Heeder(StrEnum):
    """Which processes heed a flag."""

    WORKERS = "workers"
    ADMIN = "admin process"
    BOTH = "workers and admin process"
    WORKERS_AND_COMMANDS = "workers and commands"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagKind:
    """One flag. `owner`: the part of the program that heeds it; `off`: what happens then; `risk`: what that costs.

    `by_table`: it is of one target table each time. `role`: who may switch it over the API.
    """

    flag: Flag
    what: str
    owner: str
    heeder: Heeder
    off: str
    risk: str
    default: bool = True
    by_table: bool = False
    role: Role = Role.OPERATOR


class UnknownFlag(ValueError):
    """There is no flag of that name; the message lists those that there are."""

    def __init__(self) -> None:
        super().__init__(f"there is no such flag; flags are: {', '.join(Flag)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSet:
    """A flag as somebody has set it."""

    flag: Flag
    on: bool
    actor: str
    reason: str
    since: datetime


class Switches(Protocol):
    """Which flags are on, as this process knows it; for any thread."""

    def on(self, flag: Flag) -> bool:
        """Whether it is."""
        ...


class AllOn:
    """Implements `Switches` where nobody can switch anything."""

    def on(self, flag: Flag) -> bool:
        """Always."""
        return True


ALL_ON = AllOn()

FLAGS: dict[Flag, FlagKind] = {
    kind.flag: kind
    for kind in (
        FlagKind(
            flag=Flag.COLUMNAR_DECODER,
            what="Records are decoded by the native reader, whole columns at a time.",
            owner="decoding",
            heeder=Heeder.WORKERS,
            off="The row decoder reads everything. It is the reference, and returns the same.",
            risk="Decoding takes some thirty times as long: lag grows at more than some thousand records a second. No "
            "decoding has a deadline, since this decoder always ends.",
        ),
        FlagKind(
            flag=Flag.SCHEMA_EVOLUTION,
            what="Target tables are created and changed as [evolution] says.",
            owner="binding",
            heeder=Heeder.WORKERS,
            off="No table is created or changed, also not by what somebody has agreed to. What a schema needs is "
            "planned and listed (headrace schema plan); the partitions that need it stop as table.approval.",
            risk="Tables whose source changes stand still until it is on again, or until somebody makes the change by "
            "hand.",
        ),
        FlagKind(
            flag=Flag.RETRY_LANE,
            what="Letters come back by themselves when they are due, and when somebody sends them again.",
            owner="letters",
            heeder=Heeder.WORKERS,
            off="Nothing is sent to the retry topics, and what comes from there waits: letters stay as they are, in "
            "their table. No attempt is counted.",
            risk="Rows that have letters stay behind. Letters that are not published count in letters.max_unpublished; "
            "there the partitions of new letters stop. HeadraceRetryOverdue and HeadraceLettersUnpublished are quiet "
            "of them.",
        ),
        FlagKind(
            flag=Flag.DEAD_LETTERS,
            what="Copies of dead letters are published to the dead-letter topic.",
            owner="letters",
            heeder=Heeder.WORKERS,
            off="Dead letters are in their table alone, and are published once it is on again.",
            risk="Who listens to the dead-letter topic hears nothing. What is not published counts in "
            "letters.max_unpublished; there the partitions of new letters stop. HeadraceLettersUnpublished is quiet of "
            "them.",
        ),
        FlagKind(
            flag=Flag.COLUMN_CHECKS,
            what="Rows are held against the checks of their columns.",
            owner="planning",
            heeder=Heeder.WORKERS,
            off="Rows that break a check are applied like all others.",
            risk="Such rows are in the target, and no letter says so. They stay when it is on again.",
        ),
        FlagKind(
            flag=Flag.TRACING,
            what="Batches are traced, where trace.endpoint is set.",
            owner="telemetry",
            heeder=Heeder.WORKERS,
            off="No span is made or sent.",
            risk="What happens meanwhile can't be looked up in traces.",
        ),
        FlagKind(
            flag=Flag.CONNECT_WATCH,
            what="Kafka Connect is asked for the states of its connectors, where connect.url is set.",
            owner="admin and healing",
            heeder=Heeder.BOTH,
            off="Neither the admin process nor workers ask, so no connector that has failed is started again; a "
            "command that somebody gives still asks.",
            risk="A connector that has failed or is paused is neither shown nor named as the reason of lag, and a "
            "failed one stays so until somebody starts it again.",
        ),
        FlagKind(
            flag=Flag.RECONCILIATION,
            what="Target tables may be compared with their source.",
            owner="reconciliation",
            heeder=Heeder.WORKERS_AND_COMMANDS,
            off="A comparison is refused. One that is under way, or part of a recovery, waits where it is from its "
            "next turn on, and goes on by itself once it is on again.",
            risk="Differences are not found, and a rebuild is not ended.",
        ),
        FlagKind(
            flag=Flag.TABLE_APPLY,
            what="A target table is applied.",
            owner="holdings",
            heeder=Heeder.WORKERS,
            off="The table is paused: it is the same as headrace tables pause, and ends the same way.",
            risk="The table and its letters stand still, and so do other tables of the same topics.",
            by_table=True,
        ),
        FlagKind(
            flag=Flag.CONSOLE_WRITES,
            what="People change things over the console and the API.",
            owner="admin",
            heeder=Heeder.ADMIN,
            off="The API refuses every change, and searches by values, with status 423, and the console shows no "
            "forms; this flag itself can be switched on again by an admin. Commands on the database work as before.",
            risk="Whoever has only the console can look and do nothing else.",
            role=Role.ADMIN,
        ),
    )
}


def flag_of(name: str) -> FlagKind:
    """The flag of that name. Raises UnknownFlag."""
    try:
        return FLAGS[Flag(name)]
    except ValueError as error:
        raise UnknownFlag from error


def off_by(found: Collection[FlagSet]) -> frozenset[Flag]:
    """The flags that are off, by what is set."""
    defaults = {flag: kind.default for flag, kind in FLAGS.items()}
    return frozenset(flag for flag, on in (defaults | {each.flag: each.on for each in found}).items() if not on)
