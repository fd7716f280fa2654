"""What becomes of letters that came back, in words for their rows."""

import random
from dataclasses import dataclass

from consumer.core.classify import met_conflict
from consumer.core.failure import Failure, located
from consumer.core.failure_kind import ErrorType
from consumer.core.kinds import KINDS
from consumer.core.letters import Standing, State, Verdict
from consumer.core.pausing import why
from consumer.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Judge:
    """Gives verdicts; the policy says what follows a failure."""

    policy: Policy

    def applied(self, letter: Standing) -> Verdict:
        """It is, by itself or with the one in front of it."""
        waited = letter.state is State.HELD
        reason = "with the letter that it waited for" if waited else f"at attempt {letter.attempt + 1}"
        return Verdict(
            id=letter.id, attempt=letter.attempt, state=State.APPLIED, reason=reason, ref=letter.ref, row=letter.row
        )

    def superseded(self, letter: Standing) -> Verdict:
        """A full image of its row, or its delete, came back behind it and is applied."""
        reason = "a later change of the row was applied"
        return Verdict(id=letter.id, attempt=letter.attempt, state=State.SUPERSEDED, reason=reason, ref=letter.ref)

    def held(self, letter: Standing) -> Verdict:
        """It came too early."""
        reason = "an older change of its row is not applied yet"
        return Verdict(id=letter.id, attempt=letter.attempt, state=State.HELD, reason=reason, ref=letter.ref)

    def left_alone(self, letter: Standing) -> Verdict:
        """A letter of what a person has paused comes again, as often as it takes, and nothing else is said of it.

        What a person sends again meanwhile is dead as before: one of both has to be decided anew.
        """
        assert letter.paused is not None, "a person has paused it"
        failure = why(letter.paused)
        later = self.policy.again(KINDS[failure.kind], letter.attempt + 1, random.random())
        state = State.DEAD if letter.state is State.REPLAYING else later.state
        return Verdict(
            id=letter.id,
            attempt=letter.attempt,
            state=state,
            reason=failure.detail,
            excused=True,
            delay=later.delay,
            ref=letter.ref,
        )

    def failed(self, letter: Standing, failure: Failure) -> Verdict:
        """One more attempt failed: later again, or dead."""
        said = failure if failure.correlation_id != "-" else located(failure, *letter.ref)
        kind, attempt, chance = KINDS[said.kind], letter.attempt + 1, random.random()
        replayed = letter.state is State.REPLAYING
        if replayed and met_conflict(said):
            # it is no longer what a person sent again then, so that what meets one at each try comes to an end
            decision = self.policy.excused(attempt, chance)
        else:
            decision = self.policy.again(kind, attempt, chance, excused=letter.excused, before=letter.kind)
        # a person is not asked once more because of what time heals, as a lock or a server that is away
        heals = decision.excused and kind.type is ErrorType.TRANSIENT
        state = State.DEAD if replayed and not heals else decision.state
        return Verdict(
            id=letter.id,
            attempt=letter.attempt,
            state=state,
            failure=said,
            excused=decision.excused,
            delay=decision.delay,
            ref=letter.ref,
        )
