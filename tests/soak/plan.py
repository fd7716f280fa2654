"""Which faults come when: a function of the seed and the length, so that a seed repeats them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

# how likely each is, and how long it lasts at least and at most, in seconds
KINDS: dict[str, tuple[int, float, float]] = {
    "target sessions ended": (6, 0.0, 0.0),
    "target cut": (6, 0.0, 0.0),
    "target silent": (5, 0.3, 3.0),
    "target slow": (5, 0.5, 3.0),
    "target refuses": (5, 0.3, 3.0),
    "target frozen": (3, 0.5, 4.0),
    "target restarted": (2, 0.0, 1.0),
    "target takes no writes": (3, 0.5, 3.0),
    "a table locked": (5, 0.5, 4.0),
    "broker cut": (6, 0.0, 0.0),
    "broker silent": (5, 0.3, 3.0),
    "broker slow": (5, 0.5, 3.0),
    "broker refuses": (5, 0.3, 3.0),
    "broker answers no fetch": (4, 0.5, 3.0),
    "broker killed": (2, 0.0, 1.0),
    "registry refuses": (4, 0.5, 3.0),
    "registry answers 503": (4, 0.5, 3.0),
    "worker killed": (4, 0.0, 0.0),
    "worker stopped": (4, 0.5, 5.0),
    "service told to leave": (1, 0.0, 0.0),
    "admin killed": (2, 0.0, 0.0),
    "a damaged record": (4, 0.0, 0.0),
}
# how likely a second one begins while one lasts
_TWO = 0.15
_LASTING = tuple(name for name, (_, _, most) in KINDS.items() if most > 0)


@dataclass(frozen=True, slots=True)
class Fault:
    """`at`: seconds since the beginning; `draw`: what else about it is left to chance, from 0 to 1."""

    number: int
    at: float
    kind: str
    lasts: float
    draw: float
    beside: "Fault | None" = None


def plan(seed: int, minutes: float, rate: float) -> Sequence[Fault]:
    """At least `rate` faults a minute, spread evenly but for some chance."""
    chance = random.Random(seed)
    gap = 60.0 / rate
    found: list[Fault] = []
    number = 0
    while (at := number * gap) < minutes * 60.0:
        kind = chance.choices(list(KINDS), [weight for weight, _, _ in KINDS.values()])[0]
        first = _drawn(chance, number, at + chance.uniform(0.0, gap / 3), kind)
        number += 1
        if first.lasts and chance.random() < _TWO:
            others = [each for each in _LASTING if _server(each) != _server(kind)]
            second = _drawn(chance, number, first.at, chance.choice(others))
            number += 1
            first = Fault(first.number, first.at, first.kind, first.lasts, first.draw, second)
        found.append(first)
    return found


def _server(kind: str) -> str:
    return "target" if kind == "a table locked" else kind.split()[0]


def _drawn(chance: random.Random, number: int, at: float, kind: str) -> Fault:
    _, least, most = KINDS[kind]
    return Fault(number, at, kind, chance.uniform(least, most), chance.random())
