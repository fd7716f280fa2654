"""Keys whose schema has another id: their partition waits until all others of its topic have applied what is older.

It waits once at a place. Partitions that meet the new id at the same time wait for one another in a row: the first that
nobody else waits for goes on, and the others follow.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from consumer.applying.dependents import barriers
from consumer.core.key_turns import Ids, KeyRun, late, unseen, with_runs
from consumer.core.plan import Plan
from consumer.core.records import TopicPartition
from consumer.ports.target import Sink, Taken
from consumer.ports.topics import Barriers, allowed


class KeyTurns:
    """Says which partitions have to wait, and for what. Belongs to the apply thread, whose session it uses."""

    def __init__(self, sink: Sink, offsets: Barriers) -> None:
        self._sink = sink
        self._offsets = offsets
        self._seen: dict[TopicPartition, Ids] = {}
        # where partitions waited last
        self._waited: dict[TopicPartition, int] = {}

    def learn(self, taken: Sequence[Taken]) -> None:
        """Partitions are ours, and had these ids."""
        self._seen |= {part.at: part.key_ids for part in taken}

    def noted(self, plan: Plan) -> Plan:
        """The plan with the ids that its partitions have had with it, where these are more than before."""
        new: dict[TopicPartition, list[KeyRun]] = defaultdict(list)
        for run in unseen(plan.key_runs, self._seen):
            new[run.at].append(run)
        if not new:
            return plan
        return replace(plan, key_ids={at: with_runs(self._seen.get(at, {}), runs) for at, runs in new.items()})

    def passed(self, plan: Plan) -> None:
        """A plan was applied."""
        self._seen |= plan.key_ids

    def late(self, plan: Plan) -> dict[TopicPartition, int]:
        """The offsets in front of which partitions have to wait, if they have not waited there. Raises Transient."""
        new = unseen(plan.key_runs, self._seen)
        if not new:
            return {}
        stored = self._sink.stored()
        partitions = Counter(position.at.topic for position in stored)
        # what has one partition has one order
        topics = {run.at.topic for run in new if partitions[run.at.topic] > 1}
        seen = {position.at: position.key_ids for position in stored if position.at.topic in topics}
        found = late([run for run in plan.key_runs if run.at.topic in topics], seen)
        return {at: offset for at, offset in found.items() if self._waited.get(at) != offset}

    def waits(self, places: Mapping[TopicPartition, int]) -> dict[TopicPartition, dict[TopicPartition, int]]:
        """What partitions that stand at their places wait for; they have waited there then. Raises Transient."""
        found = barriers(self._sink, self._offsets, {at: {at.topic} for at in sorted(places)})
        self._waited |= places
        return found

    def unknown(self, places: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        """Those of the partitions that can't know what to wait for: others of their topics have no leader, or are
        hidden. Raises Transient.
        """
        lost, hidden = allowed(self._offsets.leaderless, {at.topic for at in places})
        topics = {*hidden, *(at.topic for at in lost)}
        return [at for at in places if at.topic in topics]
