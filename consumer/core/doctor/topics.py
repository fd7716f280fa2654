"""Topics: those that are read, and those that letters are published to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from consumer.core.doctor.finding import Area, Check, Finding
from consumer.core.letter_topics import misfits
from consumer.core.wording import counted, lasting

THERE = Check(
    "topics.there",
    Area.TOPICS,
    "every entry of `kafka.topics` is a topic, or an expression that some match",
    "fail: a topic is not there; warn: nothing matches an expression",
)
READABLE = Check(
    "topics.readable",
    Area.TOPICS,
    "the cluster lets us read and describe them",
    "fail: READ, DESCRIBE or DESCRIBE_CONFIGS is not granted",
)
LED = Check(
    "topics.led",
    Area.TOPICS,
    "each partition has a leader",
    "fail: a partition without one, which nobody can read",
)
KEPT = Check(
    "topics.kept",
    Area.TOPICS,
    "how long records are kept: `cleanup.policy`, `retention.ms`, `retention.bytes`",
    "warn: less than a day, or by size, so that an outage may lose records",
)
REPLICATED = Check(
    "topics.replicated",
    Area.TOPICS,
    "how many brokers have each partition",
    "warn: one alone of several; replicas that are behind",
)
KNOWN = Check(
    "topics.ids",
    Area.TOPICS,
    "the cluster tells ids of topics (Kafka 2.8 and newer), by which a topic that was made anew is noticed",
    "warn: it does not",
)
MADE = Check(
    "letters.there",
    Area.LETTERS,
    "the retry topics and the dead-letter topic are there, or can be made",
    "fail: one is missing, and CREATE is not granted",
)
WRITABLE = Check(
    "letters.writable",
    Area.LETTERS,
    "copies can be written and read back",
    "fail: READ, WRITE or DESCRIBE is not granted, or fewer replicas are in sync than `min.insync.replicas` asks for; "
    "warn: the topic has fewer at all, which Kafka 4 makes do with and older versions may not",
)
LASTING = Check(
    "letters.kept",
    Area.LETTERS,
    "they keep copies for `letters.retention_hours` at least, and are not compacted",
    "fail: compacted, or kept shorter than the longest of `letters.delays`; warn: kept shorter than the setting",
)
COPIED = Check(
    "letters.replicated",
    Area.LETTERS,
    "replication and `min.insync.replicas` of these topics",
    "warn: one broker's disk may be all that has a copy. The letters themselves are in the database",
)
SIZED = Check(
    "letters.size",
    Area.LETTERS,
    "`max.message.bytes`: they take what the topics that are read take",
    "warn: less, so that copies of large letters only point to them",
)
OF_TOPICS = (THERE, READABLE, LED, KEPT, REPLICATED, KNOWN)
OF_LETTERS = (MADE, WRITABLE, LASTING, COPIED, SIZED)

_DAY_MS = 86_400_000
# whether a topic is compacted stands in its configuration
_READING = ("READ", "DESCRIBE", "DESCRIBE_CONFIGS")
_GRANT = "Grant READ, DESCRIBE and DESCRIBE_CONFIGS on the topic to the user of kafka.client."


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as the cluster describes it. `replicas`, `in_sync`: of the partition that has fewest.

    `operations`: what we may do, None where that is not told; `config`: none where we may not read it.
    """

    name: str
    partitions: int
    id: str = ""
    leaderless: Sequence[int] = ()
    replicas: int = 1
    in_sync: int = 1
    operations: frozenset[str] | None = None
    config: Mapping[str, str] = field(default_factory=dict)

    def lacks(self, wanted: Collection[str]) -> list[str]:
        """What we may not do of what we want, as far as that is told."""
        return [] if self.operations is None else sorted(set(wanted) - self.operations)


def there(wanted: Mapping[str, Sequence[str]], hidden: Collection[str]) -> list[Finding]:
    """Of what is wanted: by each entry of `kafka.topics` what there is; of `hidden` ones we may not even see that."""
    bad = []
    for entry, matched in wanted.items():
        if entry in hidden:
            bad.append(THERE.fail("the cluster does not let us see it", _GRANT, entry, "kafka.forbidden"))
        elif not matched and entry.startswith("^"):
            remedy = "Correct kafka.topics, or start the connector; topics that come later are found by themselves."
            bad.append(THERE.warn("no topic matches it", remedy, entry))
        elif not matched:
            remedy = "Correct kafka.topics, start the connector, or grant DESCRIBE on the topic."
            bad.append(THERE.fail("there is no such topic, or we may not see it", remedy, entry, "kafka.no_topic"))
    many = len({topic for matched in wanted.values() for topic in matched})
    return THERE.all_ok(bad, f"{counted(many, 'topic')} by kafka.topics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The topics that are read, and how many brokers there are."""

    topics: Sequence[Topic]
    brokers: int


def sources(seen: Sources) -> list[Finding]:
    """Of the topics that are read."""
    if not seen.topics:
        return [check.skipped("there is no topic yet") for check in OF_TOPICS[1:]]
    found: list[Finding] = []
    many = f"{counted(len(seen.topics), 'topic')}, {counted(sum(one.partitions for one in seen.topics), 'partition')}"
    unread = [(one, one.lacks(_READING)) for one in seen.topics]
    found += READABLE.all_ok(
        [READABLE.fail(f"not granted: {', '.join(lacks)}", _GRANT, one.name) for one, lacks in unread if lacks], many
    )
    found += LED.all_ok([_unled(one) for one in seen.topics if one.leaderless], "all have leaders")
    found += KEPT.all_ok([line for one in seen.topics for line in _kept(one)], _keeping(seen.topics))
    found += REPLICATED.all_ok([line for one in seen.topics for line in _copies(one, seen.brokers)], _copied(seen))
    return found + _ids(seen.topics)


def _unled(one: Topic) -> Finding:
    parts = ", ".join(map(str, one.leaderless))
    return LED.fail(f"no leader: partition {parts}", "Bring its brokers back.", one.name, "kafka.away")


def _kept(one: Topic) -> list[Finding]:
    policy, found = one.config.get("cleanup.policy", ""), []
    if "delete" not in policy:
        return []
    kept = int(one.config.get("retention.ms", -1))
    if 0 <= kept < _DAY_MS:
        detail = f"records are gone after {lasting(kept / 1000)}: whoever is away longer loses them"
        found.append(KEPT.warn(detail, "Raise the topic's retention.ms to what an outage may last.", one.name))
    if (size := int(one.config.get("retention.bytes", -1))) >= 0:
        detail = f"a partition keeps {size} bytes, and nobody can say how long that lasts"
        found.append(KEPT.warn(detail, "Set the topic's retention.bytes to -1, or to what an outage needs.", one.name))
    return found


def _keeping(topics: Sequence[Topic]) -> str:
    deleting = [one for one in topics if "delete" in one.config.get("cleanup.policy", "")]
    compacted = sum("compact" in one.config.get("cleanup.policy", "") for one in topics)
    untold = sum(not one.config for one in topics)
    times = [int(one.config.get("retention.ms", -1)) for one in deleting]
    said = [f"{compacted} compacted"] if compacted else []
    said += [f"at least {lasting(min(times) / 1000)}"] if times and min(times) >= 0 else []
    said += ["without end"] if times and max(times) < 0 else []
    return ", ".join([*said, *([f"{untold} not told"] if untold else [])]) or "nothing is removed"


def _copies(one: Topic, brokers: int) -> list[Finding]:
    if one.replicas == 1 and brokers > 1:
        detail = f"one of {brokers} brokers has it alone: while that is away nothing is read"
        return [REPLICATED.warn(detail, "Raise its replication factor.", one.name)]
    if one.in_sync < one.replicas:
        detail = f"{one.in_sync} of {one.replicas} replicas are in sync"
        return [REPLICATED.warn(detail, "Look at the brokers that are behind.", one.name)]
    return []


def _copied(seen: Sources) -> str:
    if seen.brokers == 1:
        return "the cluster has one broker, so there is one copy"
    return f"at least {min(one.replicas for one in seen.topics)} copies on {seen.brokers} brokers"


def _ids(topics: Sequence[Topic]) -> list[Finding]:
    if not any(one.id for one in topics):
        remedy = "Upgrade the brokers; until then compare the target with the source whenever a topic is made anew."
        return [KNOWN.warn("the cluster tells none, so a topic that was made anew is not noticed", remedy)]
    return [KNOWN.ok("the cluster tells them")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterTopics:
    """The topics of letters that are wanted, and those of them that there are. Times in seconds.

    `may_create`: whether we may make topics, None where that is not told. `largest`: most bytes of a record that the
    topics that are read take.
    """

    wanted: Sequence[str]
    topics: Sequence[Topic]
    brokers: int
    retention: float
    longest_delay: float
    may_create: bool | None = None
    largest: int | None = None


def letters(seen: LetterTopics) -> list[Finding]:
    """Of the topics that letters are published to."""
    names = {one.name for one in seen.topics}
    missing = [name for name in seen.wanted if name not in names]
    found = _made(seen, missing)
    if not seen.topics:
        return [*found, *(check.skipped("they are made with the first letter") for check in OF_LETTERS[1:])]
    found += WRITABLE.all_ok(
        [line for one in seen.topics for line in _writable(one)], counted(len(seen.topics), "topic")
    )
    found += LASTING.all_ok(
        [line for one in seen.topics for line in _lasting(one, seen)], "as long as letters.retention_hours says"
    )
    found += COPIED.all_ok([line for one in seen.topics for line in _safe(one, seen.brokers)], _spread(seen))
    return found + SIZED.all_ok(
        [line for one in seen.topics for line in _sized(one, seen.largest)], "they take what topics that are read take"
    )


def _made(seen: LetterTopics, missing: Sequence[str]) -> list[Finding]:
    if not missing:
        return [MADE.ok(counted(len(seen.topics), "topic"))]
    if seen.may_create is False:
        remedy = "Make it by hand, or grant CREATE on these topics (the cluster does not tell whether that is granted)."
        return MADE.all_ok([MADE.warn("it is not there, and CREATE on the cluster is not granted", remedy, name)
                            for name in missing], "")  # fmt: skip
    return [MADE.ok(f"{len(missing)} of {len(seen.wanted)} are not there yet: they are made with the first letter")]


def _writable(one: Topic) -> list[Finding]:
    found = []
    if lacks := one.lacks(("READ", "WRITE", "DESCRIBE")):
        remedy = f"Grant {', '.join(lacks)} on the topic to the user of kafka.client."
        found.append(WRITABLE.fail(f"not granted: {', '.join(lacks)}", remedy, one.name, "kafka.letters"))
    least = int(one.config.get("min.insync.replicas", 1))
    detail = f"min.insync.replicas is {least}, and {one.in_sync} of {one.replicas} replicas are in sync"
    # Kafka 4 asks for no more than there are
    if min(least, one.replicas) > one.in_sync:
        remedy = "Bring the other brokers back; or lower it, or raise the replication factor."
        found.append(WRITABLE.fail(detail, remedy, one.name, "kafka.letters"))
    elif least > one.replicas:
        detail += ": Kafka 4 writes with these, older versions may refuse"
        found.append(WRITABLE.warn(detail, "Raise the topic's replication factor, or lower it.", one.name))
    return found


def _lasting(one: Topic, seen: LetterTopics) -> list[Finding]:
    found = []
    for misfit in misfits(seen.retention, one.config):
        long_enough = misfit.hours is not None and misfit.hours * 3600 > seen.longest_delay
        said = f"{misfit.what.removeprefix('letter topic ')}"
        said += "" if misfit.hours is None else f": {misfit.hours:g} h"
        make = LASTING.warn if long_enough else LASTING.fail
        found.append(make(said, misfit.remedy, one.name))
    return found


def _safe(one: Topic, brokers: int) -> list[Finding]:
    if one.replicas == 1 and brokers > 1:
        return [COPIED.warn(f"one of {brokers} brokers has it alone", "Raise its replication factor.", one.name)]
    least = int(one.config.get("min.insync.replicas", 1))
    if one.replicas > 2 and least < 2:
        detail = f"{one.replicas} replicas, and min.insync.replicas is {least}: one broker's word is enough"
        return [COPIED.warn(detail, "Set the topic's min.insync.replicas to 2.", one.name)]
    return []


def _spread(seen: LetterTopics) -> str:
    return "the cluster has one broker" if seen.brokers == 1 else f"on {seen.brokers} brokers"


def _sized(one: Topic, largest: int | None) -> list[Finding]:
    takes = one.config.get("max.message.bytes")
    if takes is None or largest is None or int(takes) >= largest:
        return []
    detail = f"it takes records of {int(takes)} bytes, and topics that are read take {largest}"
    return [SIZED.warn(detail, "Raise the topic's max.message.bytes; room for our headers is wanted too.", one.name)]
