"""How `headrace doctor` looks: looks that fail, hang or break, and the catalogue of its checks."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from consumer.core.doctor import topics
from consumer.core.doctor.catalogue import CHECKS, TITLES
from consumer.core.doctor.finding import MOST, Area, Check, Level, Report
from consumer.core.failure import Transient
from consumer.inspection.examining import Look, examine
from tests.unit.findings import AWAY


def test_a_check_has_so_many_lines_at_most() -> None:
    """The worst ones, and how many more there are."""
    check = topics.KEPT
    lines = [check.warn(str(n), "r") for n in range(30)] + [check.fail("worst", "r")]
    found = check.all_ok(lines, "fine")
    assert (len(found), found[0].detail, found[-1].detail) == (MOST + 1, "worst", "and 11 more")


def test_the_catalogue_has_each_check_once() -> None:
    """In the order of areas, and says what it asks and what is bad."""
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
    areas = [check.area for check in CHECKS]
    assert areas == sorted(areas, key=list(Area).index)
    assert set(areas) == set(Area) == set(TITLES)
    assert all(check.asks and check.bad for check in CHECKS)


FIRST, SECOND = CHECKS[0], CHECKS[1]


def look(name: str, ask: Any, check: Check = FIRST, after: Sequence[Look[Any]] = (), **more: Any) -> Look[Any]:
    """One that says what it was answered."""
    return Look(name=name, who=name, checks=(check,), ask=ask, judge=lambda facts, _: [check.ok(str(facts))],
                after=after, **more)  # fmt: skip


def summary(report: Report) -> list[tuple[str, str]]:
    """Levels and words."""
    return [(one.level.value, one.detail) for one in report.findings]


def test_what_fails_hides_no_other_and_skips_what_needs_it() -> None:
    """With who did not answer, through more than one look."""

    def away(_: object) -> None:
        raise Transient(AWAY)

    first = look("kafka", away)
    second = look("topics", lambda seen: seen.of(first), SECOND, after=(first,))
    third = look("group", lambda seen: seen.of(second), SECOND, after=(second,))
    other = look("registry", lambda seen: seen.maybe(first), SECOND, beside=(first,))
    report = examine([first, second, third, other], 5)
    assert summary(report) == [
        ("fail", "nobody answers"),
        ("skipped", "kafka did not answer"),
        ("skipped", "kafka did not answer"),
        ("ok", "None"),
    ]
    assert report.worst is Level.FAIL


def test_what_hangs_is_waited_for_no_longer_than_it_may_take() -> None:
    """The others are told."""
    end = threading.Event()
    hanging = look("kafka", lambda _: end.wait(20))
    behind = look("topics", lambda _: None, SECOND, after=(hanging,))
    began = time.monotonic()
    report = examine([hanging, behind, look("registry", lambda _: 7, SECOND)], 0.3)
    assert time.monotonic() - began < 5
    assert ("fail", "kafka did not answer within 0.3 s") in summary(report)
    assert ("ok", "7") in summary(report)
    end.set()


def test_who_only_waits_beside_another_has_half_of_the_time_left() -> None:
    """It is taken without those facts; and not waited with at all where others are missing that it needs."""
    end = threading.Event()
    hanging = look("kafka", lambda _: end.wait(20))

    def away(_: object) -> None:
        raise Transient(AWAY)

    gone = look("target", away)
    alone = look("registry", lambda seen: seen.maybe(hanging), SECOND, beside=(hanging,))
    answered = threading.Event()
    blocked = Look(
        name="group", who="group", checks=(SECOND,), after=(gone,), beside=(hanging,),
        ask=lambda _: answered.set(), judge=lambda _, __: [SECOND.ok("")],
    )  # fmt: skip
    report = examine([gone, hanging, alone, blocked], 2)
    end.set()
    assert summary(report) == [
        ("fail", "nobody answers"),
        ("fail", "kafka did not answer within 2 s"),
        ("ok", "None"),
        ("skipped", "target did not answer"),
    ]
    assert not answered.is_set()


def test_what_breaks_is_said_as_our_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not taken for a server's; whoever hears of threads that end says where it was."""
    seen, heard = [], threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda said: (seen.append(said.exc_type), heard.set()))

    def broken(_: object) -> None:
        raise ValueError("a defect")

    report = examine([look("kafka", broken), look("registry", lambda _: 7, SECOND)], 5)
    assert [one.kind for one in report.findings] == ["worker.defect", ""]
    assert heard.wait(5)
    assert seen == [ValueError]
