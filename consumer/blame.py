"""Whom a refusal of several letters is blamed on, as far as the target says it."""

from collections.abc import Callable, Collection, Sequence

from consumer.busy import of_record
from consumer.core.failure import Failure, HeadraceError, Transient
from consumer.core.kinds import KINDS, Scope
from consumer.core.letters import Standing
from consumer.core.plan import TableName
from consumer.core.records import RecordRef
from consumer.core.turns import Blame
from consumer.ports.refusals import DataFault, NotChanged, TableBusy

TopicsOf = Callable[[TableName | None], Collection[str]]


def blamed(letters: Sequence[Standing], error: HeadraceError, topics_of: TopicsOf) -> Blame:
    """Whom a failed try is blamed on. Raises the error where it is the environment's."""
    failure = of_record(error) if isinstance(error, TableBusy) else error.failure
    if isinstance(error, NotChanged | TableBusy) and KINDS[failure.kind].scope is Scope.TABLE:
        theirs = _of_table(letters, topics_of(error.table))
        return Blame(_each(theirs, failure), whole=True) if theirs else Blame(_each(letters, failure), named=False)
    # nobody waits for a topic that is gone
    if isinstance(error, Transient) and not isinstance(error, TableBusy) and failure.kind != "kafka.no_topic":
        raise error
    # the target looks closer at a table that has refused rows
    return Blame(_each(letters, failure), named=False, closer=isinstance(error, DataFault) and len(letters) > 1)


def _of_table(letters: Sequence[Standing], topics: Collection[str]) -> Sequence[Standing]:
    """Those of a table's topics; all where it is not known and they are of one topic."""
    if not topics and len({letter.ref.at.topic for letter in letters}) == 1:
        return letters
    return [letter for letter in letters if letter.ref.at.topic in topics]


def _each(letters: Sequence[Standing], failure: Failure) -> dict[RecordRef, Failure]:
    return {letter.ref: failure for letter in letters}
