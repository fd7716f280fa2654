"""The first line of the console: whether something needs a person, and what."""

from datetime import UTC, datetime
from typing import Any

import pytest

from consumer.admin.console.verdict import Known, needs, sentence
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.lag import Going, Lag
from consumer.core.records import TopicPartition
from consumer.inspection.lagging import Seen
from dlq.groups import Group

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AWAY = failed(KINDS["registry.away"], "test", "test", "no answer")


def lag(going: Going, records: int = 0, why: str = "") -> Lag:
    """A partition's."""
    return Lag(at=TopicPartition("t", 0), tables=("s.t",), position=1, end=1 + records, records=records, seconds=0.0,
               going=going, why=why, remedy="do")  # fmt: skip


def group(**states: int) -> Group:
    """One with letters in these states."""
    return Group(fingerprint="f", component="c", operation="o", kind="record.check", code="", topic="t", field="",
                 remedy="do", first_seen_at=NOW, last_seen_at=NOW, states=states)  # fmt: skip


def known(*lags: Lag, **other: Any) -> Known:
    """A group of which this is known, and nothing else is amiss."""
    seen = other.pop("seen", Seen(at=NOW, lags=lags))
    return Known(**{"seen": seen, "problem": None, "groups": (), "workers": (), "changes": (), "jobs": ()} | other)


@pytest.mark.parametrize(
    ("what", "first", "levels"),
    [
        (known(seen=None), "Nothing was looked at yet.", []),
        (known(), "Nothing has been read yet.", []),
        (known(lag(Going.CURRENT)), "Everything is applied.", []),
        (known(lag(Going.BEHIND, 7)), "Everything flows.", []),
        (known(lag(Going.PAUSED)), "It flows, and something can be looked at when there is time.", ["warn"]),
        (known(lag(Going.STOPPED, why="no")), "One thing needs you.", ["bad"]),
        (known(lag(Going.UNKNOWN)), "It flows, and something can be looked at when there is time.", ["warn"]),
        (known(lag(Going.UNREAD)), "One thing needs you.", ["bad"]),
        (known(lag(Going.CURRENT), groups=(group(dead=2),)), "One thing needs you.", ["bad"]),
        (
            known(lag(Going.CURRENT), groups=(group(retrying=2, applied=1),)),
            "2 letters come back by themselves; all else is applied.",
            [],
        ),
        (
            known(lag(Going.CURRENT), groups=(group(held=1), group(applied=4))),
            "One letter comes back by itself; all else is applied.",
            [],
        ),
        (known(lag(Going.CURRENT), groups=(group(applied=1),)), "Everything is applied.", []),
        (known(lag(Going.PAUSED), groups=(group(dead=2),)), "One thing needs you.", ["bad", "warn"]),
        (known(lag(Going.STOPPED), groups=(group(dead=2),)), "2 things need you.", ["bad", "bad"]),
        (
            known(lag(Going.CURRENT), problem=AWAY),
            "It flows, and something can be looked at when there is time.",
            ["warn"],
        ),
    ],
)
def test_the_first_line_and_what_stands_below_it(what: Known, first: str, levels: list[str]) -> None:
    """The worst first."""
    found = needs(what)
    assert ([need.level for need in found], sentence(what, found)) == (levels, first)
