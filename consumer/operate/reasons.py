"""Why partitions do not go on, in words: each reason once, whatever it holds."""

from collections.abc import Sequence

from consumer.core.lag import Going, Lag
from consumer.operate.listing import Remark


def reasons(found: Sequence[Lag]) -> list[Remark]:
    """One remark for each reason, with the tables or topics that it is of."""
    said: dict[tuple[str, str], list[str]] = {}
    for one in found:
        if one.why:
            said.setdefault((one.why, one.remedy), []).append(", ".join(one.tables) or one.at.topic)
    return [Remark(_names(names), why, remedy) for (why, remedy), names in said.items()]


def share(going: Going, of: Sequence[Going]) -> str:
    """A state, and of how many of several partitions it is."""
    many = of.count(going)
    return going.value if many == len(of) else f"{going.value} ({many} of {len(of)})"


def _names(names: Sequence[str]) -> str:
    first, *others = dict.fromkeys(names)
    return f"{first} and {len(others)} more" if others else first
