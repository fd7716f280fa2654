"""A topic that was made anew with fewer partitions: nothing is kept of those that it lacks."""

from collections.abc import Mapping, Sequence

import psycopg
import pytest

from consumer.core.records import TopicPartition
from consumer.edges.postgres import decisions
from consumer.ports.topics import Traits
from tests.pg.conftest import Pools
from tests.pg.recovering import TOPIC, Group
from tests.pg.test_actions import write
from tests.pg.turning_child import Logs

_POSITIONS = "SELECT partition, next_offset FROM headrace.positions WHERE group_name = %s ORDER BY 1"


class Fewer(Logs):
    """The topic has its first partition alone."""

    def traits(self, topics: Sequence[str]) -> Mapping[str, Traits]:
        """One."""
        return dict.fromkeys(topics, Traits(compacted=False, partitions=1))


@pytest.fixture
def the(session: psycopg.Connection, server: str, pools: Pools, group: str) -> Group:
    """A group."""
    return Group(session, server, pools(), group)


def test_positions_of_partitions_that_are_gone_go(the: Group) -> None:
    """The others begin anew, and are waited for; what is known of the topic being another stays."""
    the.known("deleted")
    done = the.taken(the.start("adopt"), logs=Fewer())
    assert (done.state, done.why, the.set()) == ("done", "", [(0, 10), (1, 0)])
    assert done.steps[1].progress == {"from": 60, "gone": True}
    assert the.session.execute(_POSITIONS, (the.name,)).fetchall() == [(0, 100)]


def test_a_partition_that_it_gets_again_is_known_to_be_one_of_another_topic(the: Group) -> None:
    """A history may have rows of the old one under the same offsets."""
    the.known("deleted")
    the.taken(the.start("adopt"), logs=Fewer())
    again = "INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch) VALUES (%s, %s, 1, 0, 1)"
    the.session.execute(again, (the.name, TOPIC))
    held = decisions.held(the.session, the.name, TopicPartition(TOPIC, 1), lock=False)
    assert held is not None
    assert held.anew_at is not None


@pytest.mark.parametrize("discards", [False, True])
def test_their_letters_go_only_where_that_was_said(the: Group, discards: bool) -> None:
    """They would be taken for those of other records at their offsets."""
    the.known("deleted")
    write(the.session, the.name, [("one", 1, 7, "dead")])
    the.session.execute("UPDATE headrace.letters SET topic = %s WHERE group_name = %s", (TOPIC, the.name))
    done = the.taken(the.start("adopt", discard_letters=discards), logs=Fewer())
    query = "SELECT state FROM headrace.letters WHERE group_name = %s"
    ((state,),) = the.session.execute(query, (the.name,)).fetchall()
    left = len(the.session.execute(_POSITIONS, (the.name,)).fetchall())
    assert (done.state, state, left) == (("done", "discarded", 1) if discards else ("stopped", "dead", 2))
    assert discards or "1 letters of the partition are open" in done.why


def test_a_topic_that_is_the_one_of_before_keeps_all(the: Group) -> None:
    """Whatever Kafka says of its partitions."""
    the.known()
    stopped = the.taken(the.start("adopt"), logs=Fewer())
    assert (stopped.state, "Kafka has no partition" in stopped.why, the.set()) == ("stopped", True, [])
    assert len(the.session.execute(_POSITIONS, (the.name,)).fetchall()) == 2
