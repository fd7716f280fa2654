"""What goes wrong in the demonstration, from a thread of its own: bad records, and a target that is taken away."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from consumer.core.failure import HeadraceError
from consumer.stack.demo.background import Background
from consumer.stack.demo.failures import late, server_failed
from consumer.stack.demo.forge import Forge
from consumer.stack.demo.journal import Journal
from consumer.stack.demo.letters import Held, at_work
from consumer.stack.demo.line import Line
from consumer.stack.demo.poison import Poisoned, Round, first_letter, make_particular

_PATIENCE = 90.0
_LOOK = 0.2
_ROUNDS = 2
_OUTAGE_EVERY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Seconds of an outage, and seconds between steps, for somebody who looks. `endless` goes on until stopped."""

    outage: float
    pause: float
    endless: bool


class _Stopping(Exception):
    """The demonstration ends."""


class Trouble(Background):
    """Poisons the topics in rounds. The second one, and every fourth after it, comes while the target is away,
    but for those during which somebody works on letters."""

    def __init__(self, line: Line, journal: Journal, plan: Plan) -> None:
        self._line = line
        self._journal = journal
        self._plan = plan
        super().__init__("demo-trouble", self._guarded)
        self._error: HeadraceError | None = None
        self._poisoned: list[Poisoned] = []
        self.finished = False

    @property
    def endless(self) -> bool:
        """Whether it goes on until somebody ends it; then a letter is left for them."""
        return self._plan.endless

    @property
    def poisoned(self) -> Sequence[Poisoned]:
        """The bad records so far."""
        return tuple(self._poisoned)

    def check(self) -> None:
        """Raises when something went wrong that was not meant to."""
        if self._error is not None:
            raise self._error

    def held(self) -> Held:
        """The letters against the poisoned records. Raises psycopg.Error."""
        with psycopg.connect(self._line.target_dsn) as target:
            return Held.against(target, self.poisoned)

    def _guarded(self) -> None:
        try:
            self._work()
            self.finished = True
        except _Stopping:
            pass
        except HeadraceError as error:
            self._error = error
        except psycopg.Error as cause:
            self._error = server_failed(cause)

    def _work(self) -> None:
        make_particular(self._line.target_dsn)
        forge = Forge(self._line)
        if self._plan.endless:
            self._poisoned.append(first_letter(forge, self._journal))
        number = 1
        while self._plan.endless or number <= _ROUNDS:
            self._wait(self._plan.pause)
            away = number % _OUTAGE_EVERY == _ROUNDS and not self._somebody_is_at_work()
            self._round(Round(forge, self._journal, number), away)
            number += 1

    def _somebody_is_at_work(self) -> bool:
        """Nobody who puts a letter right loses the target in the middle of it."""
        if not self._plan.endless:
            return False
        with psycopg.connect(self._line.target_dsn) as target:
            return at_work(target)

    def _round(self, poison: Round, away: bool) -> None:
        if away:
            self._line.take_target_away()
            sent = self._send(poison)
            self._wait(self._plan.outage)
            self._line.bring_target_back()
        else:
            sent = self._send(poison)
        self._await("letters written and published", lambda held: held.written(sent))
        behind = poison.follow()
        self._poisoned.append(behind)
        sent = (*sent, behind)
        self._await("the letter behind another written", lambda held: held.written(sent))
        self._wait(self._plan.pause)
        poison.free()
        self._await("letters applied", lambda held: held.ended([each for each in sent if each.end == "applied"]))
        self._wait(self._plan.pause)
        poison.settle()
        self._await("letters ended", lambda held: held.ended(sent))

    def _send(self, poison: Round) -> Sequence[Poisoned]:
        sent = poison.send()
        self._poisoned += sent
        return sent

    def _wait(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise _Stopping

    def _await(self, what: str, done: Callable[[Held], bool]) -> None:
        looks = round(_PATIENCE / _LOOK)
        for _ in range(looks):
            if done(self.held()):
                return
            self._wait(_LOOK)
        raise late(f"{what}: not", _PATIENCE, f"{self.held().missing} letters are not as they must be")
