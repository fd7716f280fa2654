"""Whether a topic keeps copies of letters as long as it should."""

from collections.abc import Mapping
from dataclasses import dataclass

_UNLIMITED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """What of a topic's settings loses letters, and what to do. `hours`: for which it keeps them, if that is it."""

    what: str
    remedy: str
    hours: float | None = None


def misfits(retention: float, config: Mapping[str, str]) -> list[Misfit]:
    """Of a topic that is to keep what is in it for so many seconds; settings that are not told are not judged."""
    found = []
    kept = int(config.get("retention.ms", _UNLIMITED))
    if _UNLIMITED < kept < retention * 1000:
        found.append(
            Misfit(
                what="letter topic keeps its records shorter than letters.retention_hours",
                remedy="Raise the topic's retention.ms, or lower letters.retention_hours.",
                hours=round(kept / 3_600_000, 2),
            )
        )
    if "compact" in config.get("cleanup.policy", ""):
        found.append(
            Misfit(
                what="letter topic is compacted, which removes letters",
                remedy="Set the topic's cleanup.policy to delete.",
            )
        )
    return found
