"""`--until-current`: whether everything that was there at the start has come to its end.

Read from the stored positions and the letters' rows, so other members of the group may do the work. A partition is
current when its position has reached the end offset noted at the start; at a partition's end the position moves over
what is no record, so the end is always reached. What belongs to a stopped partition is not waited for, nor
what belongs to a partition that itself waits for a stopped one, nor what was left in a topic that is gone.

Of the records in front of the ends those are not done that are letters which are tried again, sent again or not
published yet. The rows say all of that, so nothing is asked of the retry topics. Dead letters and held ones are at
rest.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from consumer.core import waiting
from consumer.core.failure_kind import ErrorType, Scope
from consumer.core.flags import Flag
from consumer.core.kinds import DEPENDENT, KINDS
from consumer.core.letters import State
from consumer.core.records import TopicPartition
from consumer.ports.target import Overview, Stored, Underway
from consumer.ports.topics import Offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a group is from the ends noted: records left by partition, and why some of these do not go on.

    `letters`: records that were passed and are not applied yet. `underway`: those of them that are waited for.
    `waiting`: those that come to no end for now, with the reasons.
    """

    left: Mapping[TopicPartition, int]
    held: Mapping[TopicPartition, str]
    letters: int = 0
    underway: Sequence[Underway] = ()
    waiting: Sequence[tuple[Underway, str]] = ()

    @property
    def settled(self) -> bool:
        """Nothing is left but what belongs to partitions and tables that do not go on."""
        return not (set(self.left) - set(self.held)) and not self.underway

    @property
    def current(self) -> bool:
        """Nothing is left at all."""
        return not (self.left or self.underway or self.waiting)

    @property
    def only_copies(self) -> bool:
        """Letters are left whose copies are not published, and nothing else is waited for."""
        return not (set(self.left) - set(self.held)) and all(one.unpublished for one in self.underway)


def noted_ends(offsets: Offsets) -> dict[TopicPartition, int]:
    """The end offsets of every selected partition now."""
    return dict(offsets.ends(sorted(offsets.matching())))


def standing(ends: Mapping[TopicPartition, int], overview: Overview, gone: Collection[str] = ()) -> Standing:
    """Compare stored positions with the ends noted. `gone`: topics that are not there any more.

    Raises Transient when the target is away.
    """
    stored = overview.stored()
    positions = {position.at: position.next_offset for position in stored}
    left = {at: end - positions.get(at, 0) for at, end in ends.items() if end > positions.get(at, 0)}
    stops = _held(stored, positions)
    # nothing else is held by these: who waits for a topic that is gone goes on, and letters are copied elsewhere
    held = {at: _gone(at) for at in left if at.topic in gone} | stops
    if left.keys() - held.keys():
        return Standing(left=left, held={at: held[at] for at in left if at in held})
    # positions first: their letters are there since
    found, off = overview.underway(ends), overview.off()
    reasons = [(one, _resting(one, stops, off)) for one in found]
    return Standing(
        left=left,
        held={at: held[at] for at in left},
        letters=overview.open_letters(),
        underway=[one for one, reason in reasons if reason is None],
        waiting=[(one, reason) for one, reason in reasons if reason is not None],
    )


def _gone(at: TopicPartition) -> str:
    return (
        f"topic {at.topic} was deleted before they were read. Take it out of kafka.topics if it is gone for good; else "
        "create it again, and have the source send its rows anew."
    )


def _held(stored: Sequence[Stored], positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, str]:
    """Partitions that are stopped, and those that wait for one that does not go on, with the reasons."""
    held = {
        position.at: f"{position.stopped.get('detail', '')}. {position.stopped.get('remedy', '')}"
        for position in stored
        if position.stopped
    }
    waits = {position.at: waiting.unpassed(position.at, position.wait_for, positions) for position in stored}
    while more := {at: older for at, older in waits.items() if at not in held and older.keys() & held.keys()}:
        held |= {at: f"{waiting.reason(older)}. {waiting.REMEDY}" for at, older in more.items()}
    return held


def _resting(one: Underway, held: Mapping[TopicPartition, str], off: Collection[Flag]) -> str | None:
    """Why letters come to no end for now, though they are not at rest; None where they do."""
    comes = one.state is not State.DEAD
    flag = Flag.RETRY_LANE if comes else Flag.DEAD_LETTERS
    if flag in off:
        return f"{flag} is switched off. Switch it on: headrace flags set {flag} on"
    kind = KINDS.get(one.kind)
    # what time heals of a table, as a lock, is tried again until it has
    if comes and kind is not None and kind.scope is Scope.TABLE and kind.type is not ErrorType.TRANSIENT:
        return f"they wait for their table ({kind.name}). {kind.remedy}"
    if comes and one.kind in DEPENDENT and one.often:
        return (
            "they wait for other rows, which did not come with what was there. They are tried again for a while longer"
        )
    return held.get(one.at) if comes else None
