"""The cluster of brokers."""

from dataclasses import dataclass

from consumer.core.doctor.finding import Area, Check, Finding
from consumer.core.wording import counted

REACHABLE = Check(
    "kafka.reachable",
    Area.KAFKA,
    "brokers answer, and the cluster has a controller",
    "fail: none answers, or they refuse certificate or login",
)
VERSION = Check(
    "kafka.version",
    Area.KAFKA,
    "the brokers' version, by what they can do (no client tells it)",
    'fail: `group.protocol = "consumer"` is set, and they do not know it',
)
CLOCK = Check(
    "kafka.clock",
    Area.KAFKA,
    "times of the newest records, held against our clock",
    "warn: they lie ahead of it, so that ages and lag in seconds are wrong",
)
OF_CLUSTER = (REACHABLE, VERSION)

# seconds that clocks may differ without anybody noticing
SKEW = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster as it describes itself. `may_create`: whether we may make topics; None where that is not told.

    `new_groups`: whether it knows the group protocol of KIP-848, None where it does not tell.
    """

    brokers: int
    controller: bool
    may_create: bool | None = None
    new_groups: bool | None = None


def cluster(seen: Cluster, wants_new_groups: bool) -> list[Finding]:
    """Of the cluster. `wants_new_groups`: the settings choose KIP-848's protocol."""
    # where they are, is told to nobody who asks over the API
    many = counted(seen.brokers, "broker")
    if seen.controller:
        found = [REACHABLE.ok(many)]
    else:
        found = [REACHABLE.warn(f"{many}, and no controller", "Look at the controllers' logs.")]
    if seen.new_groups is None:
        why = "the brokers do not tell it"
        return [*found, VERSION.skipped(why)]
    if wants_new_groups and not seen.new_groups:
        remedy = "Remove group.protocol from kafka.client, or upgrade the brokers to 4.0."
        detail = "they do not know the group protocol that kafka.client asks for"
        return [*found, VERSION.fail(detail, remedy, kind="kafka.configuration")]
    return [*found, VERSION.ok("4.0 or newer" if seen.new_groups else "older than 4.0")]


def clock(ahead: float | None) -> list[Finding]:
    """`ahead`: seconds that the newest record of all lies ahead of our clock; None where there is no record."""
    if ahead is None:
        return [CLOCK.skipped("there is no record yet")]
    if ahead > SKEW:
        remedy = "Have this machine, the brokers and the connectors keep time (NTP)."
        return [CLOCK.warn(f"the newest record is {ahead:.0f} s ahead of our clock", remedy)]
    return [CLOCK.ok("no record is ahead of our clock")]
