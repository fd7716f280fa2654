"""Where a person may have a partition go on."""

from collections.abc import Callable
from typing import Any

import pytest

from consumer.core.decision import Decision, Held, LogNow, Undecidable, decide
from consumer.core.records import TopicPartition, correlation_id, offset_in
from consumer.recovery.moving import Looked, Wish

LOG = LogNow(start=10, end=100, topic_id="a")
TRUNCATE = {"kind": "table.truncate", "offset": 40}


def held(**changed: Any) -> Held:
    """A position of the topic that is there."""
    return Held(**{"next_offset": 38, "topic_id": "a", **changed})


def letters(*offsets: int) -> Callable[[int], int]:
    """Open letters of the partition."""
    return lambda first: sum(offset >= first for offset in offsets)


@pytest.mark.parametrize(
    ("to", "stopped", "offset"),
    [
        pytest.param("earliest", {}, 10, id="the log's start"),
        pytest.param("latest", {}, 100, id="its end"),
        pytest.param("10", {}, 10, id="the first offset"),
        pytest.param("100", {}, 100, id="behind the last one"),
        pytest.param("skip", TRUNCATE, 41, id="behind a truncate, with a gap in front of it"),
        pytest.param("skip", {"kind": "log.unreadable", "offset": 99}, 100, id="behind what can't be read"),
        pytest.param("skip", {"kind": "record.value", "offset": 40}, 41, id="behind a record without a letter"),
        pytest.param("earliest", {"kind": "log.out_of_range", "offset": 3}, 10, id="what is left of a log"),
    ],
)
def test_a_position_is_named_in_words_or_by_its_offset(to: str, stopped: dict[str, Any], offset: int) -> None:
    """The topic stays the same, and its letters."""
    assert decide(to, held(**stopped), LOG, letters(60)) == Decision(next_offset=offset, topic_id="a")


@pytest.mark.parametrize(
    ("to", "changed", "said"),
    [
        pytest.param("9", {}, "10 to 100", id="in front of the log"),
        pytest.param("101", {}, "10 to 100", id="behind the log"),
        pytest.param("-1", {}, "not '-1'", id="no offset"),
        pytest.param("end", {}, "not 'end'", id="no such word"),
        pytest.param("skip", {}, "not stopped", id="nothing to skip"),
        pytest.param(
            "skip", {"kind": "table.missing", "offset": 40}, "not the fault of one record", id="a table's fault"
        ),
        pytest.param("skip", {"kind": "log.out_of_range", "offset": 3}, "not the fault", id="records that are gone"),
        pytest.param("skip", {"kind": "table.flood", "offset": 40}, "not the fault", id="many records' fault"),
        pytest.param("earliest", {"topic_id": "b"}, "--discard-letters", id="another topic, with letters"),
        pytest.param("skip", {"topic_id": "b", **TRUNCATE}, "not the fault", id="a record of another topic"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_what_can(to: str, changed: dict[str, Any], said: str) -> None:
    """Nothing is decided then."""
    with pytest.raises(Undecidable, match=said):
        decide(to, held(**changed), LOG, letters(60))


@pytest.mark.parametrize(("offsets", "discard"), [((), False), ((3, 60), True), ((), True)])
def test_a_topic_that_was_made_anew_gets_its_new_id(offsets: tuple[int, ...], discard: bool) -> None:
    """Once no letter is told by the old one's offsets."""
    decision = decide("earliest", held(topic_id="b"), LOG, letters(*offsets), discard_letters=discard)
    assert decision == Decision(next_offset=10, topic_id="a", anew=True, discarded_from=0)
    assert decision.letters == len(offsets)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param({"kind": "log.truncated", "offset": 80}, id="as said"),
        pytest.param({"next_offset": 101}, id="as seen"),
    ],
)
def test_letters_of_what_was_cut_from_a_log_are_given_up(cut: dict[str, Any]) -> None:
    """Other records come to their offsets, and older and newer are told by these; what is in front stays."""
    with pytest.raises(Undecidable, match=r"^2 letters .* cut from the log"):
        decide("50", held(**cut), LOG, letters(40, 50, 60))
    decision = decide("50", held(**cut), LOG, letters(40, 50, 60), discard_letters=True)
    assert decision == Decision(next_offset=50, topic_id="a", discarded_from=50)
    assert decision.letters == 2
    assert decide("latest", held(**cut), LOG, letters(40, 50, 60)).next_offset == 100


def test_letters_are_counted_only_where_they_go_with_the_position() -> None:
    """There may be many, and batches wait meanwhile."""
    asked: list[int] = []

    def counted(first: int) -> int:
        asked.append(first)
        return 0

    decide("earliest", held(), LOG, counted)
    assert asked == []
    decide("50", held(next_offset=101), LOG, counted)
    assert asked == [50]


def test_more_letters_than_a_moment_takes_are_not_given_up_with_a_position() -> None:
    """It is locked meanwhile; a job gives them up before."""
    with pytest.raises(Undecidable, match=r"^5001 letters .* headrace replay start --discard"):
        decide("50", held(next_offset=101), LOG, lambda first: 5_001, discard_letters=True)
    assert decide("50", held(next_offset=101), LOG, lambda first: 5_000, discard_letters=True).letters == 5_000


def test_letters_of_a_topic_that_is_the_same_stay() -> None:
    """They are discarded where they are decided about one by one."""
    with pytest.raises(Undecidable, match="only of a topic that was made anew"):
        decide("earliest", held(), LOG, letters(60), discard_letters=True)


@pytest.mark.parametrize(("known", "now"), [(None, "a"), ("a", None)])
def test_ids_that_are_not_known_do_not_differ(known: str | None, now: str | None) -> None:
    """A broker that tells none makes no topic another."""
    log = LogNow(start=0, end=50, topic_id=now)
    assert decide("5", held(topic_id=known), log, letters(60)) == Decision(next_offset=5, topic_id="a")


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        (correlation_id(TopicPartition("a-1", 2), 7), 7),
        ("-", None),
        ("a-1-2", None),
        ("a-1-3-7", None),
        ("a-1-2-x", None),
    ],
)
def test_the_offset_of_a_correlation_id(name: str, offset: int | None) -> None:
    """Of this partition only, whatever the topic is called."""
    assert offset_in(name, TopicPartition("a-1", 2)) == offset


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Decision(next_offset=40, topic_id="a"), "pass offsets 38 to 39 of t-0 without applying them"),
        (Decision(next_offset=10, topic_id="a"), "apply offsets 10 to 37 of t-0 again"),
        (Decision(next_offset=38, topic_id="a"), "read t-0 again from offset 38, where it is"),
        (
            Decision(next_offset=0, topic_id="b", anew=True, discarded_from=0, letters=2),
            "begin t-0, whose topic was made anew, at offset 0, and give 2 letters up",
        ),
        (
            Decision(next_offset=100, topic_id="a", discarded_from=50, letters=1),
            "pass offsets 38 to 99 of t-0 without applying them, and give 1 letter up",
        ),
    ],
)
def test_what_is_agreed_to_is_said_with_the_letters_that_go(decision: Decision, words: str) -> None:
    """Only those at offsets that other records have now, or will have."""
    wish = Wish(at=TopicPartition("t", 0), to="latest")
    assert Looked(wish=wish, held=held(), log=LOG, decision=decision).words == words
