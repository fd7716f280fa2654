"""The log: floods are bounded, failures have the same fields everywhere, and lines know their batch and record."""

import ast
import contextvars
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from consumer.background.loops import Loop
from consumer.core.binding import BindingKey
from consumer.core.failure import failed, located, told
from consumer.core.kinds import KINDS
from consumer.core.letters import Letter, Record, State, Verdict
from consumer.core.plan import Aside, Plan, Stage
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.runs import Run
from consumer.ports.facts import Committed, Ended, Numbered
from consumer.ports.target import Applied
from consumer.reading.ahead import Ahead
from consumer.telemetry import journeys
from consumer.telemetry.logs import Sampling

AT = TopicPartition("shop.orders", 3)
FAILURE = failed(KINDS["record.value"], "postgres", "upsert", "a value does not fit", code="22001")
PIECE = Slice(at=AT, epoch=1, start=7, end=8, offsets=(7,), keys=(None,), values=(None,))


class Clock:
    """Time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def nothing_bound() -> Iterator[None]:
    """No test leaves anything bound."""
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


def through(sampling: Sampling, event: str, times: int) -> list[dict[str, Any]]:
    """The lines that it lets through."""
    found = []
    for _ in range(times):
        try:
            found.append(dict(sampling(None, "info", {"event": event})))
        except structlog.DropEvent:
            continue
    return found


def test_a_flood_of_one_event_is_bounded_and_says_how_much_was_left_out() -> None:
    """Each event by itself, each second anew; the next line of it says what is missing."""
    clock = Clock()
    sampling = Sampling(3, clock)
    assert len(through(sampling, "waiting", 10)) == 3
    assert len(through(sampling, "stopped", 2)) == 2
    clock.now = 1.2
    assert through(sampling, "waiting", 2) == [{"event": "waiting", "left_out": 7}, {"event": "waiting"}]
    assert sampling.total == 7


def test_who_asks_for_debugging_gets_all_of_it() -> None:
    """It is nobody's flood."""
    sampling = Sampling(1, Clock())
    assert [sampling(None, "debug", {"event": "batch applied"})["event"] for _ in range(9)] == ["batch applied"] * 9


def test_what_was_left_out_is_told_when_the_flood_is_over() -> None:
    """Also when no such line comes any more; once."""
    clock = Clock()
    sampling = Sampling(1, clock)
    through(sampling, "waiting", 5)
    assert sampling.left() == {}
    clock.now = 1.0
    assert sampling.left() == {"waiting": 4}
    assert sampling.left() == {}


def test_events_that_are_told_apart_are_bounded() -> None:
    """Names without end would keep memory without end."""
    sampling = Sampling(1, Clock())
    for number in range(3000):
        through(sampling, f"event {number}", 2)
    assert len(sampling._windows) <= 1001


def test_a_failure_is_told_by_the_same_fields() -> None:
    """What it is, where it was, what to do; and what the server called it."""
    assert told(located(FAILURE, AT, 7)) == {
        "component": "postgres",
        "operation": "upsert",
        "error_type": "persistent",
        "kind": "record.value",
        "reason": "topic shop.orders, partition 3, offset 7: a value does not fit",
        "remedy": KINDS["record.value"].remedy,
        "correlation_id": "shop.orders-3-7",
        "code": "22001",
    }


def test_nobody_logs_a_part_of_a_failure() -> None:
    """Every line about one has all its fields: no call of a log names its detail, kind or remedy one by one."""
    found = []
    for path in (Path(__file__).parents[2] / "consumer").rglob("*.py"):
        if {"stack", "bench", "admin"} & set(path.parts):
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and _logs(call.func):
                names = [each.value.attr for each in call.keywords if isinstance(each.value, ast.Attribute)]
                found += [f"{path.name}:{call.lineno}" for name in names if name in ("detail", "remedy", "kind")]
    allowed = {
        name
        for name in found
        if name.startswith(("maker.py", "jobbing.py", "letterbox.py", "reader.py", "recording.py", "working.py"))
    }
    assert set(found) == allowed, "use **told(failure)"


def _logs(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return isinstance(called.value, ast.Name) and called.value.id == "log"
    return isinstance(called, ast.Name) and called.id == "say"


def test_a_loop_knows_what_was_bound_where_it_was_made() -> None:
    """A thread begins with nothing by itself."""
    structlog.contextvars.bind_contextvars(worker="w-1")
    seen: list[dict[str, Any]] = []
    turned = threading.Event()

    def turn(_: float) -> None:
        seen.append(structlog.contextvars.get_contextvars())
        turned.set()

    loop = Loop("test", turn, lambda: None)
    loop.start()
    assert turned.wait(10)
    loop.stop.set()
    assert loop.join(10)
    assert seen[0] == {"worker": "w-1"}


class Noting:
    """A binder that notes what is bound to the log while it binds."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def fetch(self, wanted: object) -> None:
        """Nothing is lacking."""

    def bind(self, wanted: object) -> None:
        """Note it."""
        self.seen.append(structlog.contextvars.get_contextvars())


def test_a_binding_that_a_batch_asks_for_is_logged_as_of_the_batch() -> None:
    """Though another thread makes it."""
    binder = Noting()
    ahead = Ahead(binder)
    key = BindingKey("t", None, None)
    run = Run(piece=PIECE, start=0, end=1, key_frame=None, value_frame=None)
    asker = contextvars.copy_context()
    asker.run(structlog.contextvars.bind_contextvars, batch=12)
    asker.run(ahead.want, key, run)
    ahead.turn(0)
    assert binder.seen == [{"batch": 12}]
    assert structlog.contextvars.get_contextvars() == {}


def test_lines_of_a_batch_have_its_number() -> None:
    """From its beginning in the ledger to what is done instead of it."""
    journeys.bind(Numbered(12))
    assert structlog.contextvars.get_contextvars() == {"batch": 12}
    journeys.bind(Ended())
    assert structlog.contextvars.get_contextvars() == {}


def test_a_letter_is_told_with_the_name_of_its_record() -> None:
    """When it becomes one, and when it is tried again: the same name."""
    record = Record(ref=RecordRef(AT, 7), key=None, value=b"canary", headers=())
    letter = Letter(record=record, state=State.DEAD, failure=located(FAILURE, AT, 7))
    first = Plan(slices=(PIECE,), stages=(Stage(letters=(Aside(letters=(letter,)),)),))
    verdict = Verdict(id=5, attempt=2, state=State.DEAD, failure=located(FAILURE, AT, 7))
    later = Plan(slices=(PIECE,), stages=(), verdicts=(verdict,))
    with capture_logs() as lines:
        for plan in (first, later):
            journeys.say(Committed(Applied(plan=plan, seconds=0.1, durations={})))
    assert [line["event"] for line in lines] == ["record became a letter", "letter tried again"]
    assert {line["correlation_id"] for line in lines} == {"shop.orders-3-7"}
    assert "canary" not in str(lines)


def test_each_letter_that_is_tried_again_is_told_with_the_name_of_its_own_record() -> None:
    """Also one of many that are applied together, and one that has to wait."""
    verdicts = tuple(
        Verdict(id=offset, attempt=2, state=state, reason="so", ref=RecordRef(AT, offset))
        for offset, state in ((9, State.HELD), (7, State.APPLIED), (8, State.APPLIED))
    )
    with capture_logs() as lines:
        plan = Plan(slices=(PIECE,), stages=(), verdicts=verdicts)
        journeys.say(Committed(Applied(plan=plan, seconds=0.1, durations={})))
    assert [line["correlation_id"] for line in lines] == [f"shop.orders-3-{line['letter']}" for line in lines]


def test_many_letters_of_a_batch_are_not_told_one_by_one() -> None:
    """The rest is a number."""
    record = Record(ref=RecordRef(AT, 7), key=None, value=None, headers=())
    letters = tuple(Letter(record=record, state=State.DEAD, failure=FAILURE) for _ in range(100))
    plan = Plan(slices=(PIECE,), stages=(Stage(letters=(Aside(letters=letters),)),))
    with capture_logs() as lines:
        journeys.say(Committed(Applied(plan=plan, seconds=0.1, durations={})))
    assert (len(lines), lines[-1]["more"]) == (21, 80)


SAYING = """
import structlog
from consumer.cli import app

@app.command("say")
def say() -> None:
    log = structlog.get_logger("x")
    log.info("little")
    log.warning("much")
    print("data")

app(["say"])
"""


def test_what_a_command_logs_is_not_among_its_data() -> None:
    """Whoever reads its output as JSON is not disturbed; what is worth a warning is said beside it."""
    done = subprocess.run([sys.executable, "-c", SAYING], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "data\n"
    assert "much" in done.stderr
    assert "little" not in done.stderr


ENDING = """
import sys
import threading
from consumer.cli import app
from consumer.telemetry.logs import configure

@app.command("end")
def end() -> None:
    if sys.argv[1] == "configured":
        configure("info", "json")
    def broken() -> None:
        raise ValueError("could not convert 'canary'")
    thread = threading.Thread(target=broken, name="look kafka")
    thread.start()
    thread.join()

app(["end"])
"""


@pytest.mark.parametrize("how", ["configured", "as a command has it"])
def test_a_thread_that_ends_with_an_error_says_where_and_not_in_its_words(how: str) -> None:
    """They may quote rows; and between lines for machines a traceback is none."""
    command = [sys.executable, "-c", ENDING, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "canary" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert all(word in line for word in ("thread ended", "look kafka", "ValueError at <string>:12", "worker.defect"))


SERVING = """
import os
import signal
import threading
import urllib.request
from fastapi import FastAPI
from consumer.admin.server import listening, serve
from consumer.telemetry.logs import configure

configure("info", "json")
app, bound = FastAPI(), listening("127.0.0.1", 0)

@app.get("/")
def broken() -> None:
    raise ValueError("could not convert 'canary'")

def ask() -> None:
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open("http://127.0.0.1:%d/" % bound.getsockname()[1], timeout=60)
    except urllib.error.HTTPError as error:
        print(error.code)
    os.kill(os.getpid(), signal.SIGTERM)

serve(app, bound, threading.Thread(target=ask).start)
"""


def test_a_request_that_ends_with_an_error_of_ours_says_where_and_not_in_its_words() -> None:
    """The web server would write the whole of it beside the log."""
    command = [sys.executable, "-c", SERVING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "500\n"
    assert "canary" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert all(word in line for word in ("request ended", "ValueError at <string>:15", "worker.defect"))
