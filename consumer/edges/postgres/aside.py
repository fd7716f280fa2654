"""Letters in a batch's transaction: met by its rows, superseded, written, brought further."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import psycopg

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import BEHIND
from consumer.core.plan import Action, Plan, Stage, TableName
from consumer.core.records import RecordRef
from consumer.edges.postgres import letters
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import LettersFull, Reconsider, TableFault


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterBounds:
    """Most bytes of a record that are kept beside its letter; most rows of a write, in percent, that may be refused;
    most letters that wait to be published, and that wait for an older one of their row.
    """

    inline_bytes: int = 1 << 20
    flood_percent: float = 5.0
    max_unpublished: int = 10_000
    max_held: int = 100


DEFAULT_BOUNDS = LetterBounds()


def settle(connection: psycopg.Connection, plan: Plan) -> None:
    """Bring letters further. Raises Reconsider when one is not what the plan took it for."""
    for verdict in plan.verdicts:
        with translated("settle letter"):
            if not letters.settle(connection, verdict):
                raise Reconsider({})


class Aside:
    """What a batch's transaction does about letters of one group."""

    def __init__(self, group: str, bounds: LetterBounds) -> None:
        self._group = group
        self._bounds = bounds

    def lettered(self, connection: psycopg.Connection, tables: Collection[TableName]) -> set[TableName]:
        """Those of the tables that have open letters: the others pay nothing for them."""
        with translated("look for letters"):
            return letters.lettered(connection, self._group, tables)

    def meet(self, connection: psycopg.Connection, writes: Sequence[Staged]) -> None:
        """What lacks columns waits behind its row's letters; what is written as a whole supersedes them.

        Raises Reconsider for what has to wait.
        """
        waiting: dict[RecordRef, Failure] = {}
        superseded: list[int] = []
        for staged in writes:
            write = staged.write
            with translated("look for letters", write.table):
                met = letters.met(connection, self._group, staged)
            older = [(one.id, ref) for one in met if _is_older(one.origin, ref := write.origins.ref(one.place))]
            if write.action is Action.UPDATE or write.strict:
                waiting |= {ref: _BEHIND for _, ref in older}
            else:
                superseded += [number for number, _ in older]
        if waiting:
            raise Reconsider(waiting)
        with translated("supersede letters"):
            letters.supersede(connection, superseded)

    def write(self, connection: psycopg.Connection, stage: Stage, identities: Iterator[Staged]) -> set[TableName]:
        """Write a stage's letters; returns their tables.

        Raises Reconsider for those with nothing to wait for, LettersFull, TableFault where too many wait for one.
        """
        alone: list[RecordRef] = []
        if stage.letters:
            self._bound_unpublished(connection)
        for aside in stage.letters:
            staged = next(identities) if aside.identities is not None else None
            with translated("write letters", aside.table):
                alone += letters.write(connection, self._group, aside, staged, self._bounds.inline_bytes)
                if letters.most_held(connection, self._group, aside) > self._bounds.max_held:
                    raise TableFault(_held(self._bounds.max_held, aside.table), aside.table)
        if alone:
            raise Reconsider({}, alone)
        return {aside.table for aside in stage.letters if aside.table is not None}

    def _bound_unpublished(self, connection: psycopg.Connection) -> None:
        with translated("count letters"):
            waiting = letters.count_unpublished(connection, self._group)
        if waiting >= self._bounds.max_unpublished:
            detail = f"{waiting} letters wait to be published"
            raise LettersFull(failed(KINDS["kafka.letters"], "postgres", "write letters", detail))


_BEHIND = failed(KINDS[BEHIND], "postgres", "look for letters", KINDS[BEHIND].sign)


def _held(most: int, table: TableName | None) -> Failure:
    detail = f"more than {most} letters of one row of {table} wait for an older one"
    return failed(KINDS["table.held"], "postgres", "write letters", detail)


def _is_older(letter: RecordRef, ref: RecordRef) -> bool:
    """Not so, when a position was set back and reads again what stands in front of the letter."""
    return letter.at != ref.at or letter.offset < ref.offset
