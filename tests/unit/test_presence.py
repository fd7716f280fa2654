"""A worker that reports itself and does what it is told, whatever becomes of its session."""

import threading
from collections import deque
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from consumer.background.presence import Presence, Telling
from consumer.composition.heard import Heard
from consumer.composition.reporting import Parts
from consumer.core.failure import Transient, failed
from consumer.core.flags import Flag
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.edges.breaker import CircuitBreaker
from consumer.ports.presence import Report, Told
from consumer.reading.handover import Handover
from tests.unit.patient import patient


class Board:
    """Where decisions may be; it is away when told so."""

    def __init__(self) -> None:
        self.away = False
        self.hears = False
        self.wants = False
        self.orders: list[Told] = []
        self.off: frozenset[Flag] = frozenset()
        self.reports: list[Report] = []
        self.answers: list[tuple[int, str]] = []
        self.reloads: list[str] = []
        self.done: list[str] = []

    def heard(self, timeout: float) -> bool:
        if self.away:
            raise Transient(failed(KINDS["target.connection"], "postgres", "listen", "it is away"))
        return self.hears

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def wanted(self) -> bool:
        return self.wants

    def commands(self) -> list[Told]:
        given, self.orders = self.orders, []
        return given

    def flags_off(self) -> frozenset[Flag]:
        return self.off

    def answer(self, command: int, outcome: str) -> None:
        self.answers.append((command, outcome))

    def reloaded(self, ago: float, outcome: str) -> None:
        self.reloads.append(outcome)

    def take_anew(self) -> int:
        return 3

    def prune(self, hours: float) -> None:
        self.done.append(f"prune {hours}")

    def leave(self) -> None:
        self.done.append("leave")

    def close(self) -> None:
        self.done.append("close")


class Scene:
    """A worker beside its board."""

    def __init__(self) -> None:
        self.board = Board()
        self.looks = 0
        self.opened = False
        self.registry = CircuitBreaker("registry")
        self.patience = patient(None)
        self.leaving = threading.Event()
        self.heard = Heard()
        self.reloads: deque[tuple[float, str]] = deque(maxlen=4)
        self.parts = Parts(
            leaving=self.leaving,
            held=lambda: {TopicPartition("t", 0): 5},
            opened=lambda: self.opened,
            handover=Handover(max_bytes=1, max_batches=1),
            patience=self.patience,
            breakers=(self.registry,),
            resident=lambda: 77,
            flags_off=lambda: self.heard.off,
        )
        telling = Telling(
            look=self._look,
            actions=self.parts.actions(self.board),
            learn=self.heard.learn,
            keep_hours=2.0,
            reloads=self.reloads,
        )
        self.presence = Presence(self.board, lambda: self.parts.report(60.0), telling)

    def _look(self) -> None:
        self.looks += 1


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A worker that has just begun."""
    return Scene()


def test_it_reports_when_it_is_time_to_and_looks_with_each_report(scene: Scene) -> None:
    """So what nobody was told of is seen no later than that."""
    scene.board.wants = True
    scene.presence.turn(0.0)
    scene.presence.turn(0.0)
    assert (len(scene.board.reports), scene.looks) == (1, 1)
    assert scene.board.done == ["prune 2.0"]


def test_it_looks_at_once_when_it_hears_of_something(scene: Scene) -> None:
    """Without a report."""
    scene.presence.turn(0.0)
    scene.board.hears = scene.board.wants = True
    scene.presence.turn(0.0)
    assert (len(scene.board.reports), scene.looks) == (1, 1)


@pytest.mark.parametrize(
    ("action", "subject", "outcome"),
    [
        ("reset breaker", "registry", "it was closed"),
        ("reset breaker", "moon", "there is no breaker moon"),
        ("take anew", "", "3 partitions are taken anew"),
        ("drain", "", "it leaves after the batch in hand"),
    ],
)
def test_what_it_is_told_is_done_and_answered(scene: Scene, action: str, subject: str, outcome: str) -> None:
    """By the thread that heard of it."""
    scene.board.orders = [Told(id=9, action=action, subject=subject)]
    scene.presence.turn(0.0)
    assert scene.board.answers == [(9, outcome)]


def test_a_breaker_that_is_open_lets_the_next_question_through(scene: Scene) -> None:
    """When it is reset."""
    away = failed(KINDS["registry.away"], "registry", "get schema", "no answer")
    for _ in range(3):
        scene.registry.failed(failed(KINDS["registry.away"], "registry", "get schema", "no answer"))
    assert scene.registry.status().last == away
    scene.board.orders = [Told(id=9, action="reset breaker", subject="registry")]
    scene.presence.turn(0.0)
    assert scene.board.answers == [(9, "the next question is let through")]
    assert scene.registry.ask(lambda: "asked") == "asked"


def test_a_board_that_is_away_costs_nothing_but_the_report(scene: Scene) -> None:
    """It is said once, and tried again a second later."""
    scene.board.away = True
    with capture_logs() as logs:
        scene.presence.turn(0.0)
        scene.presence.turn(0.0)
        scene.board.away = False
        scene.presence.turn(0.0)
    assert [entry["event"] for entry in logs] == ["the worker can't report itself"]
    assert scene.board.reports == []
    scene.presence._next_trial = 0.0
    scene.presence.turn(0.0)
    assert len(scene.board.reports) == 1


def test_it_says_how_far_its_life_has_come(scene: Scene) -> None:
    """It starts until it has a session, and drains once it is told to stop; then it leaves."""
    states = [scene.parts.report(1.0).state]
    scene.opened = True
    states.append(scene.parts.report(1.0).state)
    scene.patience.drain(0.0)
    states.append(scene.parts.report(1.0).state)
    assert states == ["starting", "running", "draining"]
    scene.presence.close()
    assert scene.board.done == ["leave", "close"]


def test_a_worker_that_is_told_to_leave_is_to_leave(scene: Scene) -> None:
    """Its life looks for that; nothing of it ends on the thread that heard of it."""
    scene.board.orders, scene.board.hears = [Told(id=7, action="drain", subject="")], True
    assert not scene.leaving.is_set()
    scene.presence.turn(0.0)
    assert scene.leaving.is_set()


def test_what_came_of_settings_read_again_by_a_signal_is_kept(scene: Scene) -> None:
    """Once, with the next look that reaches the board."""
    scene.reloads.append((0.0, "nothing has changed"))
    scene.board.away = True
    scene.presence.turn(0.0)
    scene.board.away, scene.presence._next_trial = False, 0.0
    for _ in range(2):
        scene.presence.turn(0.0)
        scene.presence._next_report = 0.0
    assert scene.board.reloads == ["nothing has changed"]


@pytest.mark.parametrize("told", [True, False], ids=["by a notification", "by its own look"])
def test_a_flag_that_is_switched_is_heeded_and_reported_at_once(scene: Scene, told: bool) -> None:
    """Whoever switched it wants to see that; without a notification that is with the next report."""
    heeded: list[str] = []
    scene.heard.heed(Flag.SCHEMA_EVOLUTION, lambda: heeded.append("switched"))
    scene.presence.turn(0.0)
    scene.board.off, scene.board.hears = frozenset({Flag.SCHEMA_EVOLUTION, Flag.TRACING}), told
    scene.presence.turn(0.0)
    assert len(scene.board.reports) == (2 if told else 1)
    scene.presence._next_report = 0.0
    scene.presence.turn(0.0)
    assert sorted(scene.board.reports[-1].flags_off) == ["schema-evolution", "tracing"]
    assert (heeded, scene.heard.on(Flag.TRACING), scene.heard.on(Flag.RETRY_LANE)) == (["switched"], False, True)
    scene.board.off = frozenset()
    scene.presence._next_report = 0.0
    scene.presence.turn(0.0)
    assert (heeded, scene.heard.off) == (["switched", "switched"], frozenset())


def test_what_was_heard_holds_while_the_board_is_away(scene: Scene) -> None:
    """Nothing is switched on by an outage."""
    scene.board.off = frozenset({Flag.COLUMN_CHECKS})
    scene.presence.turn(0.0)
    scene.board.away = True
    scene.presence._next_report = 0.0
    scene.presence.turn(0.0)
    assert not scene.heard.on(Flag.COLUMN_CHECKS)
