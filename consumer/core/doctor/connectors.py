"""Kafka Connect: its connectors, as far as a person should know."""

from collections.abc import Collection, Sequence

from consumer.core.connectors import Connector
from consumer.core.doctor.finding import Area, Check, Finding
from consumer.core.wording import counted

REACHABLE = Check("connect.reachable", Area.CONNECT, "Kafka Connect answers", "fail: it does not, or refuses our login")
RUNNING = Check(
    "connect.connectors",
    Area.CONNECT,
    "connectors and their tasks run",
    "fail: a source of topics that are read has failed; warn: another one, or one is paused or moving",
)
KEYS = Check(
    "connect.key_columns",
    Area.CONNECT,
    "`message.key.columns` of connectors for PostgreSQL",
    "warn: it is set; where its columns are not in a table's replica identity, deletes have keys that are made up",
)
OF_CONNECT = (REACHABLE, RUNNING, KEYS)
_IDENTITY = (
    "See to it that these columns are in the tables' replica identity: ALTER TABLE … REPLICA IDENTITY FULL, or USING "
    "INDEX one that has them; docs/how-to/tables-without-key.md says why. Nobody here can ask the source."
)


def connectors(found: Sequence[Connector] | None, topics: Collection[str]) -> list[Finding]:
    """Of those that there are; None where no Kafka Connect is set. `topics`: those that are read."""
    if found is None:
        return [check.skipped("connect.url is not set") for check in OF_CONNECT]
    bad = [_bad(one, topics) for one in found if one.why]
    keyed = [
        KEYS.warn(one.key_columns, _IDENTITY, one.name)
        for one in found
        if one.key_columns and one.may_write(topics.__contains__)
    ]
    return [
        REACHABLE.ok(counted(len(found), "connector")),
        *RUNNING.all_ok(bad, "all run, with their tasks"),
        *KEYS.all_ok(keyed, "set on none of them"),
    ]


def _bad(one: Connector, topics: Collection[str]) -> Finding:
    if one.may_write(topics.__contains__) and one.condition == "failed":
        return RUNNING.fail(one.why, one.remedy, one.name)
    return RUNNING.warn(one.why, one.remedy, one.name)
