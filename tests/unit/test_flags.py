"""The closed list of flags, and what a process has heard of them."""

from datetime import UTC, datetime

import pytest

from consumer.binding.known import KnownBindings
from consumer.composition.heard import Heard
from consumer.core.flags import FLAGS, Flag, FlagSet, UnknownFlag, flag_of, off_by
from tests.unit.known import Topic, planner, slice_of

FIELDS = [{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}]


def put(flag: Flag, *, on: bool) -> FlagSet:
    """As somebody set it."""
    return FlagSet(flag=flag, on=on, actor="me", reason="why", since=datetime.now(UTC))


def test_every_flag_says_what_it_is_and_what_it_costs() -> None:
    """In whole sentences, from which the page is made."""
    assert list(FLAGS) == list(Flag)
    for kind in FLAGS.values():
        assert all(text.endswith(".") for text in (kind.what, kind.off, kind.risk)), kind.flag
        assert kind.owner


def test_a_flag_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    """What was typed is not repeated."""
    assert flag_of("tracing") is FLAGS[Flag.TRACING]
    with pytest.raises(UnknownFlag) as refused:
        flag_of("colunmar-decoder")
    assert str(refused.value) == f"there is no such flag; flags are: {', '.join(Flag)}"


def test_only_what_is_set_off_is_off() -> None:
    """All others have their defaults."""
    assert off_by([]) == frozenset()
    assert off_by([put(Flag.TRACING, on=False), put(Flag.RETRY_LANE, on=True)]) == {Flag.TRACING}


def test_until_flags_are_known_somebody_may_wait() -> None:
    """Whoever must not begin before."""
    heard = Heard()
    assert not heard.known(0.0)
    assert heard.learn({Flag.TRACING})
    assert heard.known(0.0)
    assert not heard.learn({Flag.TRACING}), "nothing new"


@pytest.mark.parametrize(("off", "decoder"), [([], "columnar"), ([Flag.COLUMNAR_DECODER], "row")])
def test_without_the_columnar_decoder_the_row_decoder_makes_the_same_plan(off: list[Flag], decoder: str) -> None:
    """From the next block on; the plan says which decoder read it."""
    topic, known, heard = Topic(FIELDS), KnownBindings(), Heard()
    topic.bound_to(known)
    plans = planner(known, switches=heard)
    piece = slice_of([topic.record("c", {"id": n, "word": "w"}) for n in range(50)])
    columnar = plans.plan([piece])
    heard.learn(off)
    plan = plans.plan([piece])
    assert plan.decoded == {decoder: 50}
    assert (plan.counts, [write.payload for write in plan.writes]) == (
        columnar.counts,
        [write.payload for write in columnar.writes],
    )
