"""What the admin process knows of Kafka Connect while it can't look at the rest, or at nothing at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from consumer.admin.doors import Doors
from consumer.admin.watching import Watch
from consumer.core.connectors import Connector
from consumer.core.failure import HeadraceError, Transient, failed
from consumer.core.flags import Flag
from consumer.core.kinds import KINDS
from consumer.ports.desk import Note
from tests.admin.scene import Shop

GONE = Transient(failed(KINDS["target.connection"], "desk", "open", "no answer"))
AWAY = Transient(failed(KINDS["connect.away"], "connect", "list", "no answer"))


class Clock:
    """Time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def raising(error: HeadraceError) -> Iterator[Any]:
    """A door that does not open."""
    raise error
    yield


def without_target(doors: Doors) -> Doors:
    """The same, while nobody answers there."""
    return replace(doors, survey=lambda: raising(GONE), control=lambda: raising(GONE))


def heard(watch: Watch) -> tuple[list[str], bool] | None:
    """The connectors' conditions, and whether Kafka Connect answered, as they are told."""
    found = watch.heard
    return ([one.condition for one in found.connectors], found.answered) if found else None


def test_connectors_are_asked_for_while_the_target_is_away(shop: Shop) -> None:
    """What fails then is told, what runs again too, and that Kafka Connect does not answer."""
    watch = Watch(without_target(shop.doors), 5)
    watch.look()
    assert heard(watch) == (["failed", "running"], True)
    shop.connect.all = lambda: [Connector(name="billing-source", kind="source", state="FAILED")]
    watch.look()
    assert heard(watch) == (["failed"], True)
    del shop.connect.all
    shop.connect.away = AWAY
    watch.look()
    assert (heard(watch), watch.last) == (([], False), None)


def test_without_kafka_connect_nothing_is_told(shop: Shop) -> None:
    """One without connectors is told from none."""
    watch = Watch(shop.doors, 5)
    shop.connect.all = lambda: None
    watch.look()
    assert heard(watch) is None
    shop.connect.all = list
    watch.look()
    assert heard(watch) == ([], True)


def test_connectors_are_asked_for_while_there_is_no_room_for_a_question(shop: Shop) -> None:
    """Pages come first at the target; Kafka Connect is asked beside them."""
    watch = Watch(replace(shop.doors, crowded=lambda: True), 5)
    watch.look()
    assert heard(watch) == (["failed", "running"], True)


def test_connectors_are_told_for_a_minute_after_the_last_word_of_them(shop: Shop) -> None:
    """Or as long as two looks take: whatever keeps the looks from coming, nothing is told for ever."""
    clock = Clock()
    for every, stays in ((5.0, 60.0), (100.0, 200.0)):
        watch = Watch(shop.doors, every, clock)
        clock.now = 1000.0
        watch.look()
        clock.now += stays
        assert heard(watch) is not None
        clock.now += 1
        assert heard(watch) is None


def test_nothing_is_told_of_connectors_that_are_not_watched(shop: Shop) -> None:
    """The flag counts as it was seen last, also while the target is away."""
    watch = Watch(shop.doors, 5)
    with shop.doors.control() as control:
        control.set_flag(Flag.CONNECT_WATCH, False, Note("me", "ticket 1"))
    watch.look()
    assert heard(watch) is None
    watch._doors = without_target(shop.doors)
    watch.look()
    assert heard(watch) is None
