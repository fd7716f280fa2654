"""Which steps a workflow has, by what it is to do. Rules without I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consumer.core.decision import LATEST, SKIP, Undecidable
from consumer.core.naming import MAX_BYTES

RECONCILE = "reconcile"
"""The act of comparing a table with its source, and the kind of workflow that does nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A step: what is done, with what."""

    act: str
    subject: Mapping[str, Any]


Subject = Mapping[str, Any]

MOST_TABLES = 1_000
"""Most tables of a workflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a group has: its target tables with the topic of each, and the partitions of topics with a position.

    `batch`: of the batch that the subject names topic, partition, first offset and the one behind its last; None when
    it was not applied, or is not kept any more.
    """

    tables: Mapping[str, str]
    partitions: Mapping[str, Sequence[int]]
    batch: Sequence[tuple[str, int, int, int]] | None = None


def planned(kind: str, subject: Subject, known: Known) -> list[Planned]:
    """The steps, by what the group has. Raises Undecidable."""
    if kind not in _PLANS:
        raise Undecidable(f"there is no workflow {kind!r}; there are {', '.join(sorted(_PLANS))}")
    return _PLANS[kind](subject, known)


def _reconcile(subject: Subject, known: Known) -> list[Planned]:
    tables = list(known.tables)
    given = subject.get("tables") or tables
    if not isinstance(given, list):
        raise Undecidable("the tables of a comparison are a list")
    wanted = list(dict.fromkeys(given))
    if unknown := sorted(set(wanted) - set(tables)):
        raise Undecidable(f"no topic of the group is applied to {', '.join(unknown)}")
    if not wanted:
        raise Undecidable("no topic of the group is applied to any table yet")
    if len(wanted) > MOST_TABLES:
        raise Undecidable(f"a comparison has at most {MOST_TABLES} tables")
    return [Planned(act=RECONCILE, subject={"table": table}) for table in wanted]


def _rebuild(subject: Subject, known: Known) -> list[Planned]:
    """The source sends all rows; those that it lacks are deleted; then both are equal, or it is said what is not."""
    table = _table(subject, known)
    return [
        Planned(act="snapshot", subject={"table": table}),
        Planned(act=RECONCILE, subject={"table": table}),
        Planned(act="sweep", subject={"table": table, "found_by": 2}),
        Planned(act=RECONCILE, subject={"table": table}),
    ]


def _rewind(subject: Subject, known: Known) -> list[Planned]:
    """Positions are set back, what is behind is applied again. None is set forward."""
    to = str(subject.get("to") or "")
    if not to:
        raise Undecidable("say where to: an offset, a time or earliest")
    if to in (LATEST, SKIP):
        raise Undecidable(f"{to} passes records, which going back does not: see headrace positions set")
    topic, partitions = _partitions(subject, known)
    if len(partitions) > 1 and to.isdecimal():
        raise Undecidable("an offset is one of a partition; name it")
    moves = [Planned(act="move", subject={"topic": topic, "partition": at, "to": to}) for at in partitions]
    return [*moves, *_applied(subject, topic, partitions, known)]


def _skip(subject: Subject, known: Known) -> list[Planned]:
    """A range of offsets is passed; what is in front of it is applied before."""
    topic, partitions = _partitions(subject, known)
    first, to = subject.get("first"), subject.get("to")
    if len(partitions) != 1 or not isinstance(first, int) or not isinstance(to, int):
        raise Undecidable("a range that is passed is of one partition, and has a first offset and one behind its last")
    if not 0 <= first < to:
        raise Undecidable(f"there is nothing to pass from offset {first} to {to}")
    passed = {"topic": topic, "partition": partitions[0], "first": first, "to": to}
    return [Planned(act="skip", subject=passed)]


def _adopt(subject: Subject, known: Known) -> list[Planned]:
    """A topic that was made anew is read from its start, where it is not yet."""
    topic, partitions = _partitions(subject, known)
    said = {"topic": topic, "to": "earliest", "anew": True, "discard_letters": bool(subject.get("discard_letters"))}
    moves = [Planned(act="move", subject={**said, "partition": at}) for at in partitions]
    return [*moves, *_applied(subject, topic, partitions, known)]


def _reapply(subject: Subject, known: Known) -> list[Planned]:
    """What a batch has applied, and all behind it, is applied again."""
    ranges = _ranges(subject, known)
    moves = [
        Planned(act="move", subject={"topic": topic, "partition": partition, "to": str(first)})
        for topic, partition, first, _ in ranges
    ]
    by_topic: dict[str, list[int]] = {}
    for topic, partition, _, _ in ranges:
        by_topic.setdefault(topic, []).append(partition)
    return [
        *moves,
        *(step for topic, partitions in by_topic.items() for step in _applied(subject, topic, partitions, known)),
    ]


def _undo(subject: Subject, known: Known) -> list[Planned]:
    """A batch is looked at row by row; when a person has seen that, or at once if wanted, it is taken back."""
    _ranges(subject, known)
    said = {"batch": subject.get("batch"), "apply": bool(subject.get("apply"))}
    return [Planned(act="look", subject=said), Planned(act="undo", subject=said)]


def _erase(subject: Subject, known: Known) -> list[Planned]:
    """What a batch has added to a history is deleted; nothing is applied again."""
    table = _table(subject, known)
    ranges = [list(each) for each in _ranges(subject, known) if each[0] == known.tables[table]]
    if not ranges:
        raise Undecidable(f"batch {subject.get('batch')} has no records of {table}")
    return [Planned(act="erase", subject={"table": table, "ranges": ranges})]


def _move(subject: Subject, known: Known) -> list[Planned]:
    """A table gets another name; a person changes the settings, and restarts the workers, before it goes on."""
    table, to = _table(subject, known), str(subject.get("to") or "")
    schema, _, name = to.partition(".")
    if not schema or not name or max(len(schema.encode()), len(name.encode())) > MAX_BYTES:
        raise Undecidable("a table is named with its schema, as schema.table")
    topic = known.tables[table]
    if to in known.tables or [*known.tables.values()].count(topic) > 1:
        raise Undecidable(f"{to} is a table of the group, or {topic} has several tables")
    said = {"topic": topic, "table": table, "to": to}
    partitions = list(known.partitions.get(topic, ()))
    return [
        Planned(act="rename", subject=said),
        Planned(act="settings", subject=said),
        Planned(act="unpause", subject={"topic": topic}),
        Planned(act="reach", subject={"topic": topic, "partitions": partitions}),
    ]


def _ranges(subject: Subject, known: Known) -> Sequence[tuple[str, int, int, int]]:
    if not known.batch:
        raise Undecidable(f"batch {subject.get('batch')} was not applied by this group, or is not kept any more")
    return known.batch


def _applied(subject: Subject, topic: str, partitions: list[int], known: Known) -> list[Planned]:
    """What is there is applied; then the topic's tables are compared with their source, where that is wanted."""
    tables = [table for table, its in known.tables.items() if its == topic and subject.get("compare")]
    compared = [Planned(act=RECONCILE, subject={"table": table}) for table in tables]
    return [Planned(act="reach", subject={"topic": topic, "partitions": partitions}), *compared]


def _table(subject: Subject, known: Known) -> str:
    table = str(subject.get("table") or "")
    if table not in known.tables:
        raise Undecidable(f"no topic of the group is applied to {table or 'a table without a name'}")
    return table


def _partitions(subject: Subject, known: Known) -> tuple[str, list[int]]:
    """A topic, and its partitions that are meant."""
    topic = str(subject.get("topic") or "")
    there = sorted(known.partitions.get(topic, ()))
    if not there:
        raise Undecidable(f"the group has no positions of {topic or 'a topic without a name'}")
    partition = subject.get("partition")
    if partition is None:
        return topic, there
    if partition not in there:
        raise Undecidable(f"the group has no position of partition {partition} of {topic}")
    return topic, [int(partition)]


_PLANS: Mapping[str, Callable[[Subject, Known], list[Planned]]] = {
    RECONCILE: _reconcile,
    "rebuild": _rebuild,
    "rewind": _rewind,
    "skip": _skip,
    "adopt": _adopt,
    "reapply": _reapply,
    "move": _move,
    "erase": _erase,
    "undo": _undo,
}

KINDS = tuple(sorted(_PLANS))
"""What workflows there are."""
