"""How long the cluster has said nothing."""

from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from consumer.edges.kafka.config import ErrorLog
from consumer.edges.kafka.silence import Silence


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _at(clock: _Clock, seconds: float) -> None:
    clock.now = 100.0 + seconds


def test_it_asks_again_and_again_and_then_it_is_too_long() -> None:
    clock = _Clock()
    silence = Silence(30, clock)
    told = []
    for second in range(0, 40, 5):
        _at(clock, second)
        told.append((second, silence.to_ask(), silence.too_long()))
    assert [second for second, ask, _ in told if ask] == [10, 20, 30]
    assert [second for second, _, over in told if over] == [30, 35]


def test_whatever_is_heard_ends_it() -> None:
    clock = _Clock()
    silence = Silence(30, clock)
    _at(clock, 29)
    silence.heard()
    _at(clock, 38)
    assert not silence.to_ask()
    _at(clock, 58)
    assert silence.to_ask()
    assert not silence.too_long()


def test_what_a_client_says_is_logged_once_a_minute() -> None:
    """With how often it was said since; another code at once."""
    clock = _Clock()
    say = ErrorLog(clock)
    with capture_logs() as logs:
        for second in (0, 1, 2, 61):
            _at(clock, second)
            say(KafkaError(KafkaError._TRANSPORT))
        say(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert [(line["code"], line["times"]) for line in logs] == [
        ("_TRANSPORT", 1),
        ("_TRANSPORT", 3),
        ("_ALL_BROKERS_DOWN", 1),
    ]
