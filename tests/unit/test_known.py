"""What is known of topics has a bound where records bring ids without end."""

from collections.abc import Iterator

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.binding import Binding, BindingKey
from consumer.planning.unbound import Unbound
from tests.unit.avro import framed
from tests.unit.bound import CHANGE, Bound
from tests.unit.known import AT, planner, slice_of


def bad(numbers: range) -> list[tuple[bytes, bytes]]:
    """Records of schemas that nobody knows, each of another one."""
    return [(CHANGE[0], framed(1000 + number, b"sesame")) for number in numbers]


def bindings(known: KnownBindings, numbers: range) -> Iterator[Binding]:
    """Those of such records that are known."""
    keys = (BindingKey(AT.topic, framed(1, b""), framed(1000 + number, b"")) for number in numbers)
    return (found for key in keys if (found := known.find(key)) is not None)


def test_of_ids_that_lead_nowhere_the_newest_are_known() -> None:
    """However many come; what can be read stays known, and a batch of as many as are kept is planned."""
    bound = Bound()
    bound.known = known = KnownBindings(50)
    bound.binder = bound.world.binder(known)
    bound.bind(CHANGE)
    plans = planner(known)
    for first in range(0, 300, 30):
        # as many as are kept, of which some are known and may have to go for the others
        piece = slice_of(bad(range(first, first + 50)))
        for _ in range(20):
            try:
                plan = plans.plan([piece])
                break
            except Unbound as unbound:
                bound.binder.bind(unbound.wanted)
        else:
            pytest.fail("nothing becomes bound")
        assert plan.counts.letters == 50

    assert len(list(bindings(known, range(400)))) == 50
    assert len(list(bindings(known, range(270, 320)))) == 50
    assert plans.plan([slice_of([CHANGE])]).counts.upserts == 1
    known.forget_topic(AT.topic)
    assert list(bindings(known, range(400))) == []


def test_what_becomes_readable_is_known_as_that() -> None:
    """And the other way round; there is one binding of each."""
    bound = Bound()
    good = bound.bind(CHANGE)
    lost = bound.bind(bad(range(1))[0])
    key = BindingKey(AT.topic, framed(1, b""), framed(2, b""))
    for binding in (lost, good, lost, good):
        bound.known.learn(key, binding)
        assert bound.known.find(key) is binding
    assert bound.known.of_topic(AT.topic, framed(1, b"")) is good


def test_letters_rows_are_known_while_the_catalog_is_read_again() -> None:
    """Changes are not: they are bound anew. Whoever forgets it twice, or has changed the table, knows nothing of it."""
    bound = Bound()
    table = bound.bind(CHANGE).table
    assert table is not None
    bound.bind(bad(range(1))[0])
    plans = planner(bound.known)

    def known() -> bool:
        (stage,) = plans.plan([slice_of(bad(range(1)))]).stages
        ((letter,),) = (aside.letters for aside in stage.letters)
        return letter.place is not None

    assert known()
    bound.binder.forget(table.name, doubted=True)
    assert bound.known.find(BindingKey(AT.topic, framed(1, b""), framed(2, b""))) is None
    assert known()
    bound.binder.forget(table.name)
    assert not known()
