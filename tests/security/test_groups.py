"""Records that are read beside the group, by who may read it alone; its members see nothing of that."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from consumer.core.records import OffsetRange, TopicPartition
from consumer.edges.kafka.ages import KafkaAges
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.origins import KafkaOrigins
from tests.real.engine.feed import Feed, fresh_name
from tests.real.engine.worker import eventually

from .conftest import OTHER, Ground
from .test_kafka import login


@pytest.fixture
def admin(ground: Ground) -> AdminClient:
    """Of who may do everything."""
    return AdminClient({"bootstrap.servers": ground.at.kafka})


@pytest.fixture
def settings(ground: Ground, feed: Feed, admin: AdminClient) -> KafkaSettings:
    """Of a user who may read one topic, and one group by its name."""
    group = fresh_name("alone")
    literal = (ResourcePatternType.LITERAL, f"User:{OTHER}", "*")
    grants = [
        AclBinding(kind, name, *literal, operation, AclPermissionType.ALLOW)
        for kind, name in ((ResourceType.TOPIC, feed.topic), (ResourceType.GROUP, group))
        for operation in (AclOperation.READ, AclOperation.DESCRIBE)
    ]
    for made in admin.create_acls(grants).values():
        made.result(30)
    client, broker = login(ground, **{"sasl.username": OTHER}), ground.broker("LOGIN")
    # the grant that was made last
    theirs = AdminClient({"bootstrap.servers": broker, **client})
    eventually(lambda: _knows(theirs, group), "the grants are known")
    return KafkaSettings(bootstrap_servers=broker, group=group, topics=(feed.topic,), request_timeout=20, client=client)


def _knows(admin: AdminClient, group: str) -> bool:
    (answer,) = admin.describe_consumer_groups([group]).values()
    try:
        answer.result(30)
    except KafkaException:
        return False
    return True


@pytest.fixture(params=["classic", "consumer"])
def members(
    ground: Ground, settings: KafkaSettings, admin: AdminClient, request: pytest.FixtureRequest
) -> Iterator[Callable[[], list[str]]]:
    """Tells who the group's members are; one has joined, by each protocol."""
    member = Consumer(
        {
            "bootstrap.servers": ground.at.kafka,
            "group.id": settings.group,
            "group.protocol": request.param,
            "enable.auto.commit": False,
        }
    )
    member.subscribe(list(settings.topics))

    def told() -> list[str]:
        member.poll(0)
        (answer,) = admin.describe_consumer_groups([settings.group]).values()
        return [f"{one.member_id} {one.assignment.topic_partitions}" for one in answer.result(30).members]

    with closing(member):
        eventually(lambda: member.poll(0.2) or member.assignment(), "it has joined")
        yield told


def test_who_may_read_the_group_alone_reads_beside_it(
    settings: KafkaSettings, feed: Feed, admin: AdminClient, members: Callable[[], list[str]]
) -> None:
    """Records at their origin and their ages; nobody joins or leaves, and nothing is committed."""
    at = TopicPartition(feed.topic, 0)
    before = members()
    with closing(KafkaOrigins(settings)) as origins:
        # who is refused hears of it beside the records, so any of these may be the one that fails
        pieces = [origins.read(OffsetRange(at, 0, 1), 1) for _ in range(20)]
        assert [piece and len(piece) for piece in pieces] == [1] * 20
        assert members() == before
    assert KafkaAges(settings).appended({at: 0}).keys() == {at}
    assert members() == before
    assert len(before) == 1
    (answer,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(settings.group)]).values()
    assert answer.result(30).topic_partitions == []
