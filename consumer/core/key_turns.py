"""Whose turn it is when the key's schema of a table gets another id.

A record's partition is chosen by the bytes of its key, and the schema's id is the first of them. So with another id, as
when the type of the key's column changes or a registry is filled anew, the rows of a table go to other partitions than
before, where nothing says that older changes of them are still in their old one. What has the new id comes behind
everything that had an older one, in whatever partition.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from consumer.core.framing import FRAME
from consumer.core.records import TopicPartition
from consumer.core.runs import Run

Ids = Mapping[str, frozenset[int]]
"""By table the ids of schemas that its keys had."""


class KeyRun(NamedTuple):
    """From which offset on a partition has keys of a table with a schema id."""

    at: TopicPartition
    offset: int
    table: str
    schema_id: int


def key_id(run: Run) -> int | None:
    """The id of its keys' schema; None where that is not among the keys' bytes, or there are no keys."""
    frame = run.key_frame
    if run.piece.framing is not None or frame is None or len(frame) != FRAME or frame[0] != 0:
        return None
    return int.from_bytes(frame[1:], "big")


def unseen(runs: Iterable[KeyRun], seen: Mapping[TopicPartition, Ids]) -> list[KeyRun]:
    """Those with an id that their partition did not have before."""
    return [run for run in runs if run.schema_id not in seen.get(run.at, {}).get(run.table, ())]


def late(runs: Iterable[KeyRun], seen: Mapping[TopicPartition, Ids]) -> dict[TopicPartition, int]:
    """The offsets in front of which partitions have to wait for all others of their topics.

    `runs`: those of a batch, each partition's in order. `seen`: what all partitions of their topics had before. What a
    partition has itself had before is older; of two ids that others had the smaller one is, since registries count up.
    """
    runs = list(runs)
    mine: dict[tuple[TopicPartition, str], set[int]] = defaultdict(set)
    everywhere: dict[tuple[str, str], set[int]] = defaultdict(set)
    for at, tables in seen.items():
        for table, ids in tables.items():
            mine[at, table] |= ids
            everywhere[at.topic, table] |= ids
    for run in runs:
        everywhere[run.at.topic, run.table].add(run.schema_id)
    found: dict[TopicPartition, int] = {}
    for run in runs:
        before = mine[run.at, run.table]
        older = before or {one for one in everywhere[run.at.topic, run.table] if one < run.schema_id}
        if run.schema_id not in before and older:
            found.setdefault(run.at, run.offset)
        before.add(run.schema_id)
    return found


def with_runs(seen: Ids, runs: Iterable[KeyRun]) -> Ids:
    """What a partition has had, with more runs of it."""
    found = dict(seen)
    for run in runs:
        found[run.table] = found.get(run.table, frozenset()) | {run.schema_id}
    return found
