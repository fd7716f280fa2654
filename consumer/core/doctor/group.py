"""The consumer group: who is in it, and where it stands in the logs."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from consumer.core.doctor.finding import Area, Check, Finding
from consumer.core.doctor.target import Room
from consumer.core.kinds import KINDS
from consumer.core.lag import Going, Place, lags
from consumer.core.lag import Log as Ends
from consumer.core.records import TopicPartition
from consumer.core.wording import counted

READABLE = Check(
    "group.readable", Area.GROUP, "the cluster lets us read as this group", "fail: READ on the group is not granted"
)
STATE = Check("group.state", Area.GROUP, "the group's state", "warn: it is rebalancing just now")
MEMBERS = Check(
    "group.members",
    Area.GROUP,
    "who is in the group, held against the workers that report themselves",
    "warn: others are in it, which take partitions from us",
)
COMMITTED = Check(
    "group.committed",
    Area.GROUP,
    "offsets that are committed for the group, held against the stored positions, which alone count here",
    "warn: somebody else has committed under this name",
)
IN_LOG = Check(
    "group.positions",
    Area.GROUP,
    "the stored positions lie in the logs, of the topics for which they were stored",
    "fail: records in front of the log were removed, the log ends before it, or the topic was made anew; "
    "warn: Kafka tells of no such topic or partition",
)
GOING = Check(
    "group.going",
    Area.GROUP,
    "no partition is stopped; partitions that wait or are paused say why",
    "fail: stopped; warn: paused, or held by no worker while others are",
)
OF_GROUP = (READABLE, STATE, MEMBERS, COMMITTED)
OF_POSITIONS = (IN_LOG, GOING)

_FORGET = (
    "If it is to be there, restore it, or grant DESCRIBE on it to the user of kafka.client; if not, forget it: "
    "docs/how-to/set-a-position.md#starting-over."
)
_MOVING = ("PREPARING_REBALANCING", "COMPLETING_REBALANCING", "ASSIGNING", "RECONCILING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group as the cluster describes it. `members`: their machines, as the cluster sees them.

    `operations`: None where they are not told.
    """

    name: str
    state: str
    members: Sequence[str]
    committed: Mapping[TopicPartition, int]
    operations: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the target knows: workers that report themselves, and stored positions; none of either where the control
    schema can't be read. `room`: for sessions, by limit.
    """

    workers: Sequence[str] = ()
    places: Sequence[Place] = ()
    room: Mapping[str, Room] = field(default_factory=dict)


def group(seen: Group, known: Known | None, initial: str) -> list[Finding]:
    """Of the group. `initial`: where one begins that never ran."""
    found = []
    if seen.operations is not None and "READ" not in seen.operations:
        remedy = f"Grant READ on the group {seen.name} to the user of kafka.client."
        found.append(READABLE.fail("not granted: READ", remedy, seen.name, "kafka.forbidden"))
    else:
        found.append(READABLE.ok(seen.name))
    if seen.state in _MOVING:
        found.append(STATE.warn("it is rebalancing", "Look again in a minute; a group that never rests has members "
                                "that do not stay (their logs say why)."))  # fmt: skip
    else:
        found.append(STATE.ok(seen.state.lower()))
    if known is None:
        return [*found, *(check.skipped("the target does not answer") for check in (MEMBERS, COMMITTED))]
    return [*found, _members(seen, known), _committed(seen, known, initial)]


def _members(seen: Group, known: Known) -> Finding:
    many, ours = len(seen.members), len(known.workers)
    if many <= ours:
        return MEMBERS.ok(f"{counted(many, 'member')}; workers that report themselves: {ours}")
    hosts = ", ".join(sorted(set(seen.members))[:5])
    detail = f"{counted(many, 'member')} (on {hosts}); workers that report themselves: {ours}"
    remedy = "Give other consumers a group of their own; a worker that has just started reports itself in a second."
    return MEMBERS.warn(detail, remedy)


def _committed(seen: Group, known: Known, initial: str) -> Finding:
    positions = {place.at: place.position for place in known.places}
    if not positions:
        if not seen.committed or initial == f"group:{seen.name}":
            return COMMITTED.ok("nothing is stored yet")
        detail = (
            f"{counted(len(seen.committed), 'partition')} with committed offsets, and the group begins at {initial}"
        )
        remedy = f'Set kafka.initial = "group:{seen.name}" to go on where they are, or another kafka.group.'
        return COMMITTED.warn(detail, remedy)
    ahead = [at for at, offset in seen.committed.items() if offset > positions.get(at, offset)]
    if ahead:
        detail = f"{counted(len(ahead), 'partition')} committed beyond the position, as {ahead[0]}"
        remedy = "If no position was set back lately, somebody else commits under this name: give them another group."
        return COMMITTED.warn(detail, remedy)
    return COMMITTED.ok("none is beyond its position")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """How far logs reach now, by partition; and ids of their topics, with those that were stored with positions.

    `known`: partitions that the cluster tells of, also those without a leader.
    """

    known: Collection[TopicPartition] = ()
    starts: Mapping[TopicPartition, int] = field(default_factory=dict)
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    stored_ids: Mapping[TopicPartition, str] = field(default_factory=dict)
    # copies, of which nothing is lost with their logs
    lane: Collection[str] = ()


def positions(places: Sequence[Place], logs: Logs) -> list[Finding]:
    """Of the stored positions."""
    if not places:
        return [check.skipped("nothing is stored yet") for check in OF_POSITIONS]
    out = {place.at: _out(place, logs) for place in places if place.at.topic not in logs.lane}
    gone = Counter(at.topic for at, found in out.items() if not found and at not in logs.known)
    bad = [*(line for found in out.values() for line in found), *(_gone(topic, many) for topic, many in gone.items())]
    return [*IN_LOG.all_ok(bad, counted(len(places), "partition")), *GOING.all_ok(_still(places), "none is stopped")]


def _out(place: Place, logs: Logs) -> list[Finding]:
    at, offset, topic = place.at, place.position, place.at.topic
    start, end = logs.starts.get(at), logs.ends.get(at)
    if topic in logs.ids and logs.stored_ids.get(at, logs.ids[topic]) != logs.ids[topic]:
        return [_lost(place, "log.recreated", KINDS["log.recreated"].sign)]
    if start is not None and offset < start:
        return [_lost(place, "log.out_of_range", f"position {offset} is in front of the log, which begins at {start}")]
    if end is not None and offset > end:
        return [_lost(place, "log.truncated", f"position {offset} is behind the log, which ends at {end}")]
    return []


def _gone(topic: str, many: int) -> Finding:
    detail = f"positions of {counted(many, 'partition')} that Kafka does not know, or hides from us"
    return IN_LOG.warn(detail, _FORGET, topic)


def _lost(place: Place, kind: str, detail: str) -> Finding:
    at = place.at
    remedy = KINDS[kind].remedy.replace("TOPIC PARTITION", f"{at.topic} {at.partition}")
    return IN_LOG.fail(detail, remedy, str(at), kind)


def _still(places: Sequence[Place]) -> list[Finding]:
    bad = []
    held = any(place.held for place in places)
    for place, lag in zip(places, lags(places, Ends(), (), 0.0), strict=True):
        if lag.going is Going.STOPPED:
            kind = str((place.stopped or {}).get("kind", ""))
            bad.append(GOING.fail(lag.why, lag.remedy, str(place.at), kind))
        elif lag.going is Going.PAUSED or (lag.going is Going.UNREAD and held):
            bad.append(GOING.warn(lag.why, lag.remedy, str(place.at)))
    return bad
