"""Recoveries in the words of pages: what each is, and which fields its form has."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One kind. `needed`, `also`: names of fields that have to be filled in, and of those that may be."""

    title: str
    what: str
    needed: tuple[str, ...]
    also: tuple[str, ...] = ()


WAYS: Mapping[str, Way] = {
    "rebuild": Way(
        title="Rebuild a table",
        what="The source sends all rows again, those that it lacks are deleted here, and both are compared.",
        needed=("table",),
    ),
    "rewind": Way(
        title="Set a topic back",
        what="What is behind is applied again, in order; the tables end up the same.",
        needed=("topic", "to"),
        also=("partition", "compare"),
    ),
    "reapply": Way(
        title="Apply a batch again",
        what="Its records and all behind them are applied again, in order.",
        needed=("batch",),
        also=("compare",),
    ),
    "erase": Way(
        title="Take a batch back from a history",
        what="Rows that it has added are deleted; nothing is applied again.",
        needed=("batch", "table"),
    ),
    "undo": Way(
        title="Take a batch back by its before images",
        what="Its rows are looked at and listed, with what would be done or why it can not be; it goes on when a "
        "person says so, and only if every row can be taken back.",
        needed=("batch",),
    ),
    "skip": Way(
        title="Pass a range of offsets",
        what="These records are not applied.",
        needed=("topic", "partition", "first", "to"),
    ),
    "move": Way(
        title="Give a table another name",
        what="Its topic is paused until the settings say the name, and every worker was restarted.",
        needed=("table", "to"),
    ),
    "adopt": Way(
        title="Adopt a topic that was made anew",
        what="All partitions begin at the start of the new topic.",
        needed=("topic",),
        also=("discard_letters", "compare"),
    ),
}
