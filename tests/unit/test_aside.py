"""What becomes a letter beside a batch's writes, and what that means for the other changes of its row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.binding.known import KnownBindings
from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import Change, settled
from consumer.core.markers import UNAVAILABLE
from consumer.core.plan import Plan
from consumer.core.records import RecordRef
from tests.unit.known import AT, Topic, planner, slice_of

ORDERS = Topic(
    [
        {"name": "id", "type": "long"},
        {"name": "word", "type": ["null", "string"], "default": None},
        {"name": "amount", "type": ["null", "int"], "default": None},
    ]
)
CHECK = failed(KINDS["record.check"], "postgres", "upsert", "no")
FAILED = (Change.LETTER, Change.SUSPECT)
WAIT = failed(KINDS["record.behind"], "postgres", "look for letters", "wait")
# one letter a change of row 1; capitals are of row 2
WORDS = {"w": ("c", "whole"), "p": ("u", UNAVAILABLE), "d": ("d", "gone")}


def record(what: str) -> tuple[bytes, bytes]:
    """A whole image, a partial one, a delete, or one that is cut (`x`)."""
    number = 2 if what.isupper() else 1
    op, word = WORDS.get(what.lower(), ("c", "bad"))
    key, value = ORDERS.record(op, {"id": number, "word": word, "amount": 7})
    return key, value[:-1] if what.lower() == "x" else value


def planned(what: str, refused: Mapping[int, Failure] | None = None, strict: bool = False) -> Plan:
    """The plan of a slice of such records; `refused` by place."""
    known = KnownBindings()
    topic = Topic(ORDERS.fields)
    topic.binding = replace(topic.binding, strict=strict)
    topic.bound_to(known)
    refs = {RecordRef(AT, 100 + place): why for place, why in (refused or {}).items()}
    return planner(known).plan([slice_of([record(one) for one in what])], refs)


def said(plan: Plan) -> tuple[str, str]:
    """Writes in order and letters by offset, each by its first character."""
    writes = "".join(f"{write.action.value[:2]}{write.rows}" for write in plan.writes)
    letters = {letter.record.ref.offset - 100: letter.state.value[0] for letter in plan.letters}
    return writes, "".join(f"{place}{state}" for place, state in sorted(letters.items()))


@pytest.mark.parametrize(
    ("what", "writes", "letters"),
    [
        pytest.param("wx", "up1", "1d", id="what was good before it is applied"),
        pytest.param("xw", "up1", "0s", id="a full image behind it makes it superfluous"),
        pytest.param("xd", "de1", "0s", id="a delete behind it too"),
        pytest.param("xp", "", "0d1h", id="a partial image behind it waits"),
        pytest.param("wxp", "up1", "1d2h", id="it is not folded into what stands in front of the letter"),
        pytest.param("xpw", "up1", "0s1s", id="a full image behind both makes both superfluous"),
        pytest.param("xwp", "up1", "0s", id="what comes behind the full image folds as ever"),
        pytest.param("wxwx", "up1", "1s3d", id="the last one stays open"),
        pytest.param("xWP", "up1", "0d", id="other rows fold as ever"),
        pytest.param("xXpP", "", "0d1d2h3h", id="each row has its own"),
        pytest.param("dp", "de1", "1d", id="a partial image behind its row's delete has no base"),
        pytest.param("dpw", "up1", "", id="unless a full image follows"),
        pytest.param("dpp", "de1", "1d2h", id="the next one waits for it"),
        pytest.param("xdp", "de1", "0s2d", id="nor one behind a delete behind a letter"),
    ],
)
def test_letters_keep_their_rows_in_order(what: str, writes: str, letters: str) -> None:
    """Small blocks and large ones alike: the padding is of rows of its own."""
    assert said(planned(what)) == (writes, letters)


@pytest.mark.parametrize(
    ("what", "refused", "writes", "letters"),
    [
        pytest.param("w", {0: CHECK}, "", "0d", id="what the target refused"),
        pytest.param("ww", {1: CHECK}, "up1", "1d", id="the change in front of it is applied"),
        pytest.param("wwp", {1: CHECK}, "up1", "1d2h", id="the partial image behind it waits"),
        pytest.param("wpp", {2: CHECK}, "up1", "2d", id="the last one is tried for first"),
        pytest.param("wpp", {2: CHECK, 1: CHECK}, "up1", "1d2h", id="it was the one in front: it only waits"),
        pytest.param("wpp", {2: CHECK, 1: CHECK, 0: CHECK}, "", "0d1h2h", id="or the first one of all"),
        pytest.param("ww", {1: CHECK, 0: CHECK}, "", "0d1d", id="a full image was refused for itself"),
        pytest.param("p", {0: WAIT}, "", "0h", id="what waits for a letter of an earlier batch"),
        pytest.param("pw", {0: WAIT}, "up1", "0s", id="it is superseded with its letter"),
        pytest.param("d", {0: CHECK}, "", "0d", id="a delete that was refused"),
        pytest.param("pp", {1: WAIT}, "", "0h1h", id="what was folded into one that waits does too"),
        pytest.param("pPp", {2: WAIT}, "up1", "0h2h", id="of its row alone"),
    ],
)
def test_what_was_refused_is_a_letter(what: str, refused: Mapping[int, Failure], writes: str, letters: str) -> None:
    """The rules are the same whoever refused it."""
    assert said(planned(what, refused)) == (writes, letters)


def test_only_what_waits_for_an_earlier_batch_follows() -> None:
    """Such a letter has to find the one in front of it in the database."""
    follows = {letter.record.ref.offset: letter.follows for letter in planned("xpP", {2: WAIT}).letters}

    assert follows == {100: False, 101: False, 102: True}


@pytest.mark.parametrize(("what", "letters"), [("xw", "0d1h"), ("xd", "0d1h"), ("wxw", "1d2h")])
def test_in_a_strict_table_everything_behind_a_letter_waits(what: str, letters: str) -> None:
    """Nothing supersedes."""
    assert said(planned(what, strict=True))[1] == letters


def test_letters_say_which_row_they_are_of() -> None:
    """Each has the place of its identity among those that are staged beside it."""
    plan = planned("xXpw")
    (aside,) = plan.stages[0].letters

    assert aside.identities is not None
    assert (aside.table, aside.identities.rows) == (ORDERS.binding.table and ORDERS.binding.table.name, 3)
    assert [letter.place for letter in aside.letters] == [0, 1, 2]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(Change)), max_size=12), st.booleans())
def test_settling_equals_going_through_the_changes_one_by_one(
    changes: Sequence[tuple[int, Change]], strict: bool
) -> None:
    """Per row: held behind any open letter, closed by the next change that is applied as a whole."""
    got = settled([(row, place, change) for place, (row, change) in enumerate(changes)], strict=strict)
    for row in range(3):
        mine = [(place, change) for place, (of, change) in enumerate(changes) if of == row]
        for index, (place, change) in enumerate(mine):
            before = [(p, c) for p, c in mine[:index]]
            opened = any(
                c in FAILED and not any(d is Change.WHOLE and q not in got.held for q, d in mine[i + 1 : index])
                for i, (p, c) in enumerate(before)
            )
            assert (place in got.held) == (
                change is not Change.LETTER and opened and (strict or change in (Change.PARTIAL, Change.SUSPECT))
            )
            closed = any(d is Change.WHOLE and q not in got.held for q, d in mine[index + 1 :])
            is_letter = change in FAILED or place in got.held
            assert (place in got.superseded) == (is_letter and closed)
