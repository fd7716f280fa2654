"""A batch and its letters in the log: lines of a batch have its number, and each letter's say which record it was.

A record's correlation id is a function of its origin, so what is said of it at its first failure, at each attempt, when
it dies and when a person sends it again can be found by one search.
"""

import structlog

from consumer.core.failure import told
from consumer.core.plan import Plan
from consumer.core.records import correlation_id
from consumer.ports.facts import Committed, Ended, Fact, Numbered

log = structlog.get_logger("headrace.letters")

# letters of a batch that are told one by one
_MOST = 20


def bind(fact: Fact) -> None:
    """From here on the thread's lines have the number of its batch, until it is done with it."""
    if isinstance(fact, Numbered):
        structlog.contextvars.bind_contextvars(batch=fact.batch)
    elif isinstance(fact, Ended):
        structlog.contextvars.unbind_contextvars("batch")


def say(fact: Fact) -> None:
    """Tell what became of records that can't be applied, or could be in the end."""
    if isinstance(fact, Committed):
        plan = fact.applied.plan
        if plan.verdicts:
            _say_verdicts(plan)
        elif any(stage.letters for stage in plan.stages):
            _say_letters(plan)


def _say_letters(plan: Plan) -> None:
    letters = plan.letters
    for letter in letters[:_MOST]:
        at, offset = letter.record.ref
        fields = told(letter.failure) | {"correlation_id": correlation_id(at, offset)}
        log.info("record became a letter", state=letter.state.value, **fields)
    if len(letters) > _MOST:
        log.info("records became letters", more=len(letters) - _MOST)


def _say_verdicts(plan: Plan) -> None:
    for verdict in plan.verdicts:
        fields = told(verdict.failure) if verdict.failure else {"reason": verdict.reason}
        if verdict.ref is not None:
            fields["correlation_id"] = correlation_id(*verdict.ref)
        log.info("letter tried again", letter=verdict.id, state=verdict.state.value, **fields)
