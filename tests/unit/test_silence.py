"""How long the cluster has said nothing."""

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
