"""What a closed scenario says of its bad records and its outage."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consumer.stack.demo.letters import Held
from consumer.stack.demo.target import Absence, longest


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubled:
    """The letters at the end against what was poisoned, the target's absences, and the records in letter topics."""

    held: Held
    absences: Sequence[Absence]
    copies: Mapping[str, int]

    @property
    def as_meant(self) -> bool:
        """True when each poisoned record had its letter, no other record had one, and the target was away and back."""
        return not self.held.missing and not self.held.unexpected and any(each.over for each in self.absences)

    def as_json(self) -> dict[str, Any]:
        """For the report. Times are in seconds."""
        found = [(kind, state) for kind, state, _ in self.held.found.values()]
        return {
            "poisoned": {
                "records": len(self.held.poisoned),
                "by_class": _counted(each.name for each in self.held.poisoned),
            },
            "letters": {
                "by_state": _counted(state for _, state in found),
                "by_kind": _counted(kind for kind, _ in found),
                "copies": dict(self.copies),
                "not_as_meant": self.held.missing,
                "of_other_records": self.held.unexpected,
            },
            "outage": {
                "happened": bool(self.absences),
                "seconds": round(longest(self.absences), 3),
                "applied_again_after": self._recovery(),
            },
        }

    def _recovery(self) -> float | None:
        waits = [each.applied - each.until for each in self.absences if each.applied and each.until]
        return round(max(0.0, *waits), 3) if waits else None


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
