"""Letters of records that failed for the first time."""

from collections.abc import Mapping

from consumer.core.failure import Failure, located
from consumer.core.kinds import DEPENDENT, KINDS
from consumer.core.letters import Letter, Record
from consumer.core.plan import Aside
from consumer.core.policy import Policy
from consumer.core.writes import TableWrite


def letter(record: Record, failure: Failure, policy: Policy, place: int | None = None) -> Letter:
    """A record's letter, in the state that the policy begins with; `place` as in `Letter`."""
    # spread by the origin, so that planning again decides the same
    decision = policy.decide(KINDS[failure.kind], 1, record.ref.offset % 97 / 97)
    return Letter(
        record=record,
        state=decision.state,
        failure=failure if failure.correlation_id != "-" else located(failure, record.ref.at, record.ref.offset),
        place=place,
        delay=decision.delay,
    )


def left_out(write: TableWrite, refused: Mapping[int, Failure], policy: Policy) -> Aside | None:
    """The letters of staged rows that the target refuses.

    None where more is to be thought of: changes of a row that came before, other rows that may come or go.
    """
    if any(why.kind in DEPENDENT for why in refused.values()) or not write.origins.alone(refused):
        return None
    letters = [letter(write.origins.record(place), why, policy, place) for place, why in sorted(refused.items())]
    return Aside(letters=tuple(letters), table=write.table, identities=write)
