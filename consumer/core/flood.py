"""The flood guard: many records of one partition that can't be applied have one cause, which is not in the records.

Better that its partition stops than that a wrong setting makes a million letters.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from consumer.core.failure import Failure
from consumer.core.letters import BEHIND
from consumer.core.plan import Plan
from consumer.core.records import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimits:
    """More than `percent` of a partition's last `window` records, and no fewer than `least`, are a flood."""

    percent: float = 5.0
    window: int = 10_000
    least: int = 100


class _Last:
    """What became of a partition's last records, and how many of them are letters: batches, and their sums."""

    def __init__(self) -> None:
        self._batches: deque[tuple[int, int]] = deque()
        self.records = self.letters = 0

    def add(self, records: int, letters: int, window: int) -> None:
        """One batch more; what is not needed for so many records any more is forgotten."""
        self._batches.append((records, letters))
        self.records, self.letters = self.records + records, self.letters + letters
        while self.records - self._batches[0][0] >= window:
            gone = self._batches.popleft()
            self.records, self.letters = self.records - gone[0], self.letters - gone[1]


_NONE = _Last()


class FloodGuard:
    """Keeps what became of each partition's last records."""

    def __init__(self, limits: FloodLimits) -> None:
        self._limits = limits
        self._seen: dict[TopicPartition, _Last] = {}

    def flooded(self, plan: Plan) -> dict[TopicPartition, int]:
        """The partitions that would be flooded by a plan, with the letters among their last records."""
        room = self.room(plan)
        return {
            at: letters + self._seen.get(at, _NONE).letters
            for at, (_, letters) in _counted(plan).items()
            if letters and room[at] < 0
        }

    def room(self, plan: Plan) -> dict[TopicPartition, int]:
        """How many letters more a plan may bring its partitions before that is a flood; below zero it is one."""
        found = {}
        for at, (records, letters) in _counted(plan).items():
            seen = self._seen.get(at, _NONE)
            most = max(self._limits.least - 1, int((records + seen.records) * self._limits.percent / 100))
            found[at] = most - letters - seen.letters
        return found

    def passed(self, plan: Plan) -> None:
        """A plan was applied."""
        for at, (records, letters) in _counted(plan).items():
            if records:
                self._seen.setdefault(at, _Last()).add(records, letters, self._limits.window)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Begin anew with partitions that were taken."""
        for at in partitions:
            self._seen.pop(at, None)


def filled_by(failures: Iterable[Failure]) -> str:
    """The kinds of failures by how many are of each, the most first, and one of those; "" where there are none."""
    found = list(failures)
    if not found:
        return ""
    kinds = Counter(why.kind for why in found)
    counted = ", ".join(f"{number} as {kind}" for kind, number in kinds.most_common())
    first = next(why for why in found if why.kind == kinds.most_common(1)[0][0])
    return f"{counted}; the first: {first.detail}"


def letters_of(plan: Plan, at: TopicPartition) -> list[Failure]:
    """Why records of a partition become letters in a plan, but for those that only wait for another letter."""
    return [letter.failure for letter in plan.letters if letter.record.ref.at == at and letter.failure.kind != BEHIND]


def _counted(plan: Plan) -> dict[TopicPartition, tuple[int, int]]:
    """Records and letters by partition; what only waits for another letter is none."""
    letters: dict[TopicPartition, int] = {}
    for letter in plan.letters:
        if letter.failure.kind != BEHIND:
            letters[letter.record.ref.at] = letters.get(letter.record.ref.at, 0) + 1
    return {piece.at: (len(piece), letters.get(piece.at, 0)) for piece in plan.slices}
