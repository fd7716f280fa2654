"""Whom a refusal of several letters is blamed on, as far as the target says it."""

from collections.abc import Callable, Collection, Sequence

from consumer.applying.apart import NotPlanned
from consumer.applying.busy import of_record
from consumer.core.failure import Failure, HeadraceError, Transient
from consumer.core.failure_kind import Scope
from consumer.core.kinds import KINDS
from consumer.core.letters import Standing
from consumer.core.records import RecordRef
from consumer.core.sizer import TOO_MUCH
from consumer.core.target import TableName
from consumer.core.turns import Blame
from consumer.ports.refusals import DataFault, NotChanged, TableBusy

TopicsOf = Callable[[TableName | None], Collection[str]]


def blamed(letters: Sequence[Standing], error: HeadraceError, topics_of: TopicsOf) -> Blame:
    """Whom a failed try is blamed on. Raises the error where it is the environment's, for fewer letters too."""
    if isinstance(error, NotPlanned):
        return Blame(error.failures, binding=not all(map(_is_away, error.failures.values())))
    failure = of_record(error) if isinstance(error, TableBusy) else error.failure
    # a second try would take as long; what is in conflict is quick, and mostly over then
    binding = not isinstance(error, Transient) or error.failure.kind == "target.conflict"
    if isinstance(error, NotChanged | TableBusy) and KINDS[failure.kind].scope is Scope.TABLE:
        theirs = _of_table(letters, topics_of(error.table))
        if theirs:
            return Blame(_each(theirs, failure), whole=True, binding=binding)
        return Blame(_each(letters, failure), named=False, binding=binding)
    if isinstance(error, Transient) and not isinstance(error, TableBusy) and not _is_theirs(failure, letters):
        raise error
    # the target looks closer at a table that has refused rows
    closer = isinstance(error, DataFault) and len(letters) > 1
    return Blame(_each(letters, failure), named=False, closer=closer, binding=binding)


def _is_theirs(failure: Failure, letters: Sequence[Standing]) -> bool:
    """Whether what time may heal is tried otherwise all the same."""
    # nobody waits for a topic that is gone, nor for a record that its log does not give: others have no part in it
    if failure.kind == "kafka.no_topic" or (failure.component == "kafka" and all(one.is_reread for one in letters)):
        return True
    # what was too much at once may not be in parts
    return failure.kind in TOO_MUCH and len(letters) > 1


def _is_away(failure: Failure) -> bool:
    """Whether the registry holds it up, whose word a second try would not have either."""
    return KINDS[failure.kind].scope is Scope.ENVIRONMENT


def _of_table(letters: Sequence[Standing], topics: Collection[str]) -> Sequence[Standing]:
    """Those of a table's topics; all where it is not known and they are of one topic."""
    if not topics and len({letter.ref.at.topic for letter in letters}) == 1:
        return letters
    return [letter for letter in letters if letter.ref.at.topic in topics]


def _each(letters: Sequence[Standing], failure: Failure) -> dict[RecordRef, Failure]:
    return {letter.ref: failure for letter in letters}
