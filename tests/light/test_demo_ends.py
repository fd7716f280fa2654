"""The demonstration's look at the ends of topics, when the broker has no time for it."""

from consumer.stack.demo.ends import Ends
from tests.light.broker import LIST_OFFSETS, Broker

_REFUSED = 29
_TOPIC = "shop.orders"


def test_what_a_broker_said_last_stands_while_it_does_not_answer() -> None:
    """No topic is back at zero because one question had no answer; the next answer is news again."""
    broker = Broker()
    broker.create(_TOPIC, [b"1", b"2"])
    ends = Ends(broker.bootstrap)
    first = dict(ends.look([_TOPIC]))
    broker.append(_TOPIC, [b"3"])
    broker.answer(LIST_OFFSETS, _REFUSED)

    unanswered = dict(ends.look([_TOPIC]))

    assert first == unanswered == {_TOPIC: 2}
    assert ends.look([_TOPIC]) == {_TOPIC: 3}
