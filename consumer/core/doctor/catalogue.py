"""All checks, in the order of the report. `docs/reference/doctor.md` is written from here."""

from consumer.core.doctor import access, cluster, connectors, group, registry, settings, tables, target, topics
from consumer.core.doctor.finding import Area, Check

CHECKS: tuple[Check, ...] = (
    *settings.OF_SETTINGS,
    *settings.OF_PORTS,
    *target.OF_SERVER,
    *target.OF_CONTROL,
    *tables.OF_TABLES,
    *cluster.OF_CLUSTER,
    access.BROKERS,
    cluster.CLOCK,
    *topics.OF_TOPICS,
    *topics.OF_LETTERS,
    *group.OF_GROUP,
    *group.OF_POSITIONS,
    access.REGISTRY,
    *registry.OF_REGISTRY,
    access.CONNECT,
    *connectors.OF_CONNECT,
)
"""Each once."""

TITLES = {
    Area.SETTINGS: "Settings and ports",
    Area.TARGET: "Target",
    Area.KAFKA: "Kafka",
    Area.TOPICS: "Topics",
    Area.LETTERS: "Topics of letters",
    Area.GROUP: "Group and positions",
    Area.REGISTRY: "Schema registry",
    Area.CONNECT: "Kafka Connect",
}
"""What an area is called."""
