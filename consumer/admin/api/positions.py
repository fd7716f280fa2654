"""Stored positions: where partitions are, and deciding where they go on."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from consumer.admin.api.answers import Listed, Partition, Partitions
from consumer.admin.asking import Doored
from consumer.admin.inputs import LARGEST, Input, Reasoned, Word
from consumer.admin.inputs import Partition as PartitionNumber
from consumer.admin.moving import outlook, set_position
from consumer.admin.problems import Absent
from consumer.admin.roles import Asker, needs, router
from consumer.core.decision import Decision, Held, LogNow
from consumer.core.records import TopicPartition
from consumer.core.roles import Role
from consumer.ports.desk import Moved, Position
from consumer.recovery.moving import Wish

routes = router(tags=["positions"])

MOST = 10_000
"""Most positions that are told at once."""


class Wished(Input):
    """A partition, and where it is to go on: `earliest`, `latest`, an offset to read next, or `skip`."""

    topic: Word
    partition: PartitionNumber
    to: Annotated[str, Field(pattern=r"^(earliest|latest|skip|[0-9]{1,19})$")]
    discard_letters: bool = False

    @property
    def wish(self) -> Wish:
        """The same for the desk."""
        return Wish(at=TopicPartition(self.topic, self.partition), to=self.to, discard_letters=self.discard_letters)


class Setting(Wished, Reasoned):
    """The same, agreed to. `expect`, `anew`: what the outlook says of the decision."""

    expect: Annotated[int, Field(ge=0, le=LARGEST)]
    anew: bool = False


class Outlook(BaseModel):
    """What would be done to a position as it is. `words`: the same, for people."""

    held: Held
    log: LogNow
    decision: Decision
    words: str


class Named(Input):
    """A partition of a topic."""

    topic: Word
    partition: PartitionNumber


class Retrying(Reasoned):
    """Partitions to try again."""

    partitions: Annotated[list[Named], Field(min_length=1, max_length=1000)]


@routes.get("/positions")
@needs(Role.VIEWER)
def positions(
    doors: Doored,
    topic: Annotated[Word | None, Query()] = None,
    stopped: bool = False,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 200,
) -> Listed[Position]:
    """Stored positions by topic and partition, and why they are stopped."""
    with doors.through(doors.desk) as desk:
        return Listed(items=desk.positions(topic, stopped=stopped, most=limit))


@routes.get("/positions/outlook")
@needs(Role.VIEWER)
def look(doors: Doored, wanted: Annotated[Wished, Query()]) -> Outlook:
    """What setting a position would do; nothing is done."""
    with doors.through(doors.positions) as desk:
        found = outlook(desk, wanted.wish)
    return Outlook(held=found.held, log=found.log, decision=found.decision, words=found.words)


@routes.post("/positions/set")
@needs(Role.OPERATOR)
def move(doors: Doored, asker: Asker, wanted: Setting) -> Moved:
    """Decide where a partition goes on; its owner is fenced, and takes it anew within two seconds.

    Refused when something else would be done than the outlook said.
    """
    with doors.through(doors.positions) as desk:
        return set_position(desk, wanted.wish, (wanted.expect, wanted.anew), wanted.note(asker.name))


@routes.post("/positions/retry")
@needs(Role.OPERATOR)
def retry(doors: Doored, asker: Asker, wanted: Retrying) -> Partitions:
    """Have partitions tried again now, whatever stopped them; those without a position are left out."""
    named = [TopicPartition(one.topic, one.partition) for one in wanted.partitions]
    with doors.through(doors.desk) as desk:
        asked = desk.retry(sorted(named), wanted.note(asker.name))
    if not asked:
        raise Absent("none of these partitions has a position in this group")
    return Partitions(partitions=[Partition.of(at) for at in asked])
