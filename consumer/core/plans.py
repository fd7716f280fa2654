"""Which steps a workflow has, by what it is to do. Rules without I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consumer.core.decision import Undecidable


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A step: what is done, with what."""

    act: str
    subject: Mapping[str, Any]


Subject = Mapping[str, Any]

MOST_TABLES = 1_000
"""Most tables of a workflow."""


def planned(kind: str, subject: Subject, tables: Sequence[str]) -> list[Planned]:
    """The steps, given the target tables that there are. Raises Undecidable."""
    if kind not in _PLANS:
        raise Undecidable(f"there is no workflow {kind!r}; there are {', '.join(sorted(_PLANS))}")
    return _PLANS[kind](subject, tables)


def _reconcile(subject: Subject, tables: Sequence[str]) -> list[Planned]:
    wanted = list(dict.fromkeys(subject.get("tables") or tables))
    if unknown := sorted(set(wanted) - set(tables)):
        raise Undecidable(f"no topic of the group is applied to {', '.join(unknown)}")
    if not wanted:
        raise Undecidable("no topic of the group is applied to any table yet")
    if len(wanted) > MOST_TABLES:
        raise Undecidable(f"a comparison has at most {MOST_TABLES} tables")
    return [Planned(act="reconcile", subject={"table": table}) for table in wanted]


_PLANS: Mapping[str, Callable[[Subject, Sequence[str]], list[Planned]]] = {"reconcile": _reconcile}

KINDS = tuple(sorted(_PLANS))
"""What workflows there are."""
