"""What `headrace doctor` finds of a shop: its real database; Kafka, registry and Kafka Connect as a test says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consumer.core.connectors import Connector
from consumer.core.doctor.access import Site
from consumer.core.doctor.cluster import Cluster
from consumer.core.doctor.finding import Report
from consumer.core.doctor.group import Group
from consumer.core.doctor.settings import Port, Ports, chosen
from consumer.core.doctor.tables import Fit
from consumer.core.doctor.target import Wants
from consumer.core.doctor.topics import Topic
from consumer.core.failure import Persistent, failed
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.edges.postgres.examining import PostgresExamining
from consumer.inspection.doctor import Asked, Plan, doctor
from consumer.ports.examining import Latest, Matched, Reach

ALL = frozenset({"READ", "WRITE", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"})
ENVELOPE = '{"type": "record", "name": "Heartbeat", "namespace": "io.debezium.connector.common", "fields": []}'
KEY = '{"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]}'


@dataclass
class Around:
    """Three brokers with the shop's topic, a registry, connectors. `asked`: how often the cluster was."""

    group: str
    topic: str
    connectors: Sequence[Connector]
    away: bool = False
    asked: int = 0
    kept: dict[str, str] = field(default_factory=lambda: {"retention.ms": "604800000", "cleanup.policy": "delete"})

    def cluster(self) -> Cluster:
        """Raises Persistent when it is to be away."""
        self.asked += 1
        if self.away:
            raise Persistent(failed(KINDS["kafka.refused"], "kafka", "describe cluster", "the login is refused"))
        return Cluster(brokers=3, controller=True, may_create=True, new_groups=True)

    def matched(self) -> Matched:
        """One topic."""
        return Matched(by_entry={self.topic: [self.topic]})

    def topics(self, names: Sequence[str]) -> list[Topic]:
        """All that is asked for."""
        return [
            Topic(name=name, partitions=1, id="one", replicas=3, in_sync=3, operations=ALL, config=self.kept)
            for name in names
        ]

    def group_of(self) -> Group:
        """Nobody is in it."""
        return Group(name=self.group, state="STABLE", members=[], committed={}, operations=ALL)

    def reach(self, partitions: Sequence[TopicPartition]) -> Reach:
        """All of them are long."""
        return Reach(starts=dict.fromkeys(partitions, 0), ends=dict.fromkeys(partitions, 9000))

    def fits(self, ends: Mapping[TopicPartition, tuple[int, int]]) -> list[Fit]:
        """All do."""
        return [Fit(topic=at.topic, table="shop.orders") for at in ends]

    def ports(self) -> Ports:
        """One is ours, one is free."""
        return Ports(
            telemetry=Port(address="127.0.0.1:9464", free=True),
            admin=Port(address="127.0.0.1:8470", free=False, ours=True),
        )


@dataclass
class _Kafka:
    around: Around

    def group(self, _: Sequence[TopicPartition]) -> Group:
        return self.around.group_of()

    def close(self) -> None:
        """Nothing is open."""

    def __getattr__(self, name: str) -> object:
        return getattr(self.around, name)


class _Registry:
    name = "http://registry"

    def subjects(self) -> int:
        return 2

    def latest(self, subject: str) -> Latest:
        return Latest(KEY if subject.endswith("-key") else ENVELOPE, "BACKWARD")

    def find(self, number: int) -> str:
        return KEY


PLAN = Plan(
    servers="kafka-0:9093",
    client={"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"},
    initial="earliest",
    chosen=chosen({}, stall=120, registry=10),
    wants=Wants(batch_deadline=30, pool_idle=300, per_worker=6, of_admin=17),
    letters=["shop.retry.1", "shop.dlq"],
    retention=604_800,
    longest_delay=600,
    registry_sites=[Site(url="https://registry", setting="registry.url")],
    connect_sites=[Site(url="http://connect:8083", setting="connect.url")],
)


def examined(around: Around, target: PostgresExamining) -> Report:
    """One examination."""
    asked = Asked(
        kafka=_Kafka(around),
        target=target,
        registry=_Registry(),
        connectors=lambda: around.connectors,
        records=around,
        machine=around,
    )
    return doctor(PLAN, asked, 20)
