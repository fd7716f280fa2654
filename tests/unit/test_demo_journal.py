"""The demonstration's journal: which record of a topic is which commit of the source."""

from consumer.stack.demo.journal import Journal, Wait

TOPIC = "demo.shop.orders"


def journal() -> Journal:
    """Two records committed at 10 and two at 20, with a foreign one written between the two of the first commit."""
    found = Journal([TOPIC])
    found.committed({TOPIC: 2}, 10.0)
    assert found.foreign(TOPIC, lambda: 1) == 1
    found.committed({TOPIC: 2}, 20.0)
    return found


def test_a_foreign_record_is_part_of_the_topic() -> None:
    """Its offset is passed like any other."""
    assert journal().total(TOPIC) == 5


def test_a_foreign_record_has_no_latency_and_moves_no_other() -> None:
    """Latencies are those of the source's records, each from its own commit."""
    found = journal()
    assert found.waits(TOPIC, 0, 3, 11.0) == [Wait(10.0, 11.0, 2)]
    assert found.waits(TOPIC, 1, 2, 11.0) == []
    assert found.waits(TOPIC, 3, 5, 21.0) == [Wait(20.0, 21.0, 2)]


def test_what_is_behind_is_the_oldest_commit_that_is_not_applied() -> None:
    """Counted without the foreign record."""
    found = journal()
    assert [found.behind(TOPIC, applied, 30.0) for applied in (0, 2, 3, 5)] == [20.0, 20.0, 10.0, 0.0]


def test_what_is_forgotten_leaves_the_rest_as_it_was() -> None:
    """Totals and later latencies go on."""
    found = journal()
    found.forget(TOPIC, 3)
    assert found.total(TOPIC) == 5
    assert found.waits(TOPIC, 3, 5, 21.0) == [Wait(20.0, 21.0, 2)]
