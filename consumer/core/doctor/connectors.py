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
OF_CONNECT = (REACHABLE, RUNNING)


def connectors(found: Sequence[Connector] | None, topics: Collection[str]) -> list[Finding]:
    """Of those that there are; None where no Kafka Connect is set. `topics`: those that are read."""
    if found is None:
        return [check.skipped("connect.url is not set") for check in OF_CONNECT]
    bad = [_bad(one, topics) for one in found if one.why]
    return [REACHABLE.ok(counted(len(found), "connector")), *RUNNING.all_ok(bad, "all run, with their tasks")]


def _bad(one: Connector, topics: Collection[str]) -> Finding:
    ours = one.kind == "source" and (not one.topics or not one.topics.isdisjoint(topics))
    if ours and one.condition == "failed":
        return RUNNING.fail(one.why, one.remedy, one.name)
    return RUNNING.warn(one.why, one.remedy, one.name)
