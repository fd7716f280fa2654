"""How the target says no, as exceptions that its edges raise."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import polars as pl
import pyarrow as pa

from consumer.core.failure import Failure, Persistent, Transient, blaming, failed
from consumer.core.forms import Unfit
from consumer.core.kinds import KINDS
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.target import TableName
from consumer.core.transform import TransformFault
from consumer.ports.target import Applied


class Fenced(Exception):
    """Another owner took these partitions, or moved them; nothing was written."""

    def __init__(self, partitions: tuple[TopicPartition, ...]) -> None:
        super().__init__(", ".join(map(str, partitions)))
        self.partitions = partitions


class CommitUnknown(Transient):
    """The connection was lost after COMMIT was sent: only the stored positions can tell what happened.

    `applied`: the batch, as it is in the target if it was committed; of the commit itself it is not known how long it
    took.
    """

    def __init__(self, failure: Failure, applied: Applied) -> None:
        super().__init__(failure)
        self.applied = applied


class ConnectionLost(Transient):
    """The session is gone; whatever it had not committed is rolled back."""


class DataFault(Persistent):
    """The target refused the rows of a statement."""

    def __init__(self, failure: Failure, table: TableName | None) -> None:
        super().__init__(failure)
        self.table = table


class TableFault(Persistent):
    """The target refused the statement whatever its rows: no privilege, no such table or column."""

    def __init__(self, failure: Failure, table: TableName | None) -> None:
        super().__init__(failure)
        self.table = table


class Altered(TableFault):
    """Columns of these tables are of other types than those that rows were planned for."""

    def __init__(self, failure: Failure, tables: frozenset[TableName]) -> None:
        super().__init__(failure, min(tables))
        self.tables = tables


class TableBusy(Transient):
    """A statement on a table was not through in time, or in conflict: its failure is that of the environment.

    `table`: None where it is one of those that the batch writes, and not known which.
    """

    def __init__(self, failure: Failure, table: TableName | None) -> None:
        super().__init__(failure)
        self.table = table


class NotChanged(TableFault):
    """The target refused a change of the table."""


class TooSlow(NotChanged):
    """It was not made in time: a person says whether to try again."""


class LettersFull(Transient):
    """As many letters wait to be published as may; a batch with more of them is not applied."""


class Reconsider(Exception):
    """The batch has to be planned anew, and nothing was written.

    `refused`: records that can't be applied, and why. `freed`: records that need not wait any more.
    """

    def __init__(self, refused: Mapping[RecordRef, Failure], freed: Iterable[RecordRef] = ()) -> None:
        self.freed = frozenset(freed)
        super().__init__(f"{len(refused)} records refused, {len(self.freed)} freed")
        self.refused = refused


OF_VALUES = (
    *(ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError),
    *(pl.exceptions.PolarsError, pa.ArrowException),
)
"""What one value, or one schema, makes of code that never met its like, as ours or the libraries': were it not blamed
on its records, the process would end at it, start again and end again."""


@contextmanager
def library_faults(table: TableName | None, component: str, operation: str) -> Iterator[None]:
    """What a value makes of the forms and the column libraries concerns its record; the batch is halved to find it."""
    try:
        yield
    except Unfit as error:
        failure = failed(KINDS["record.value"], component, operation, str(error), remedy=error.remedy)
        raise DataFault(blaming(failure, error.at), table) from error
    except TransformFault as error:
        raise DataFault(failed(KINDS["record.transform"], component, operation, str(error)), table) from error
    except OF_VALUES as error:
        # the libraries quote values in their messages
        detail = f"a value can't be brought into the form of its column ({type(error).__name__})"
        raise DataFault(failed(KINDS["record.value"], component, operation, detail), table) from error
