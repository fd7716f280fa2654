"""The headers of a letter's copy: what goes in comes out, and nothing foreign is touched."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.core.failure_kind import ErrorType
from consumer.core.kinds import KINDS
from consumer.core.letterhead import Letterhead, NoLetter
from consumer.core.records import Header, RecordRef, TopicPartition
from dlq.foreign import PREFIXES
from dlq.headers import CONNECT, LONGEST, OWN, decode, encode

HEAD = Letterhead(
    group="orders",
    origin=RecordRef(TopicPartition("shop.public.orders", 2), 41),
    attempt=3,
    kind="record.reference",
    error_type=ErrorType.TRANSIENT,
    component="target",
    operation="apply",
    detail="the row that it refers to is not there yet",
    field="after.customer",
    first_failed=datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC),
    failed=datetime(2026, 1, 2, 4, 4, 5, tzinfo=timezone(timedelta(hours=1))),
    due=datetime(2026, 1, 2, 3, 9, 5, tzinfo=UTC),
    batch=7,
    schema_id=12,
    replay="r-1",
)
REQUIRED = (
    *("group", "topic", "partition", "offset", "attempt", "kind", "error-type", "component", "operation", "detail"),
    *("first-failed-at", "failed-at", "pointer"),
)

# nothing in the database has a zero byte, and a header that has one is malformed
short = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=250)
numbers = st.integers(0, 2**63 - 1)
moments = st.datetimes(
    datetime(1000, 1, 1),  # noqa: DTZ001
    datetime(9000, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)
headers = st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=50))
heads = st.builds(
    Letterhead,
    group=short,
    origin=st.builds(RecordRef, st.builds(TopicPartition, short, numbers), numbers),
    attempt=numbers,
    kind=st.sampled_from(sorted(KINDS)),
    error_type=st.sampled_from(ErrorType),
    component=short,
    operation=short,
    detail=short,
    field=short,
    first_failed=moments,
    failed=moments,
    due=st.none() | moments,
    batch=st.none() | numbers,
    schema_id=st.none() | numbers,
    replay=st.none() | short,
    pointer=st.booleans(),
)


def texts(found: list[Header], prefix: str) -> dict[str, str]:
    """The headers below a prefix, each of which stands once."""
    ours = [(name.removeprefix(prefix), value or b"") for name, value in found if name.startswith(prefix)]
    assert len(dict(ours)) == len(ours)
    return {name: value.decode() for name, value in ours}


@given(heads, st.lists(headers, max_size=5))
def test_a_letterhead_comes_back_as_it_was(head: Letterhead, foreign: list[Header]) -> None:
    """Whatever else is in the headers."""
    assert decode(encode(head, foreign)) == head


@given(heads, heads, st.lists(headers, max_size=5))
def test_headers_never_pile_up(first: Letterhead, second: Letterhead, foreign: list[Header]) -> None:
    """A copy of a copy has the headers of a copy, whatever the earlier one said."""
    assert encode(second, encode(first, foreign)) == encode(second, foreign)


@given(heads, st.lists(headers.filter(lambda header: not header[0].startswith(PREFIXES)), max_size=5))
@example(HEAD, [("headrace", b""), ("__connect", None)])
def test_foreign_headers_stay_as_they_are(head: Letterhead, foreign: list[Header]) -> None:
    """Doubled names, empty and missing values, any bytes, and their order."""
    odd: list[Header] = [("a", b"\xff\xfe"), ("a", None), ("", b""), ("a", b"\xff\xfe")]

    assert encode(head, [*foreign, *odd])[: len(foreign) + len(odd)] == [*foreign, *odd]


def test_connects_headers_say_the_same_in_connects_words() -> None:
    """By its names, as text, without a stack trace."""
    assert texts(encode(HEAD, []), CONNECT) == {
        "topic": "shop.public.orders",
        "partition": "2",
        "offset": "41",
        "connector.name": "orders",
        "task.id": "0",
        "stage": "TASK_PUT",
        "class.name": "headrace.target",
        "exception.class.name": "headrace.record.reference",
        "exception.message": "the row that it refers to is not there yet",
    }
    undecoded = replace(HEAD, kind="record.decode")
    assert texts(encode(undecoded, []), CONNECT)["stage"] == "VALUE_CONVERTER"


def test_our_headers_are_text() -> None:
    """A person can read them in any tool."""
    ours = texts(encode(HEAD, []), OWN)

    assert ours["correlation-id"] == "shop.public.orders-2-41"
    assert ours["failed-at"] == "2026-01-02T03:04:05.000000+00:00"
    assert (ours["error-type"], ours["attempt"], ours["pointer"]) == ("transient", "3", "false")
    assert "due-at" not in texts(encode(replace(HEAD, due=None), []), OWN)


def test_older_headers_of_any_name_below_our_prefixes_go() -> None:
    """Another release may have written names that this one does not know."""
    older: list[Header] = [(OWN + "new", b"1"), (CONNECT + "exception.stacktrace", b"2"), ("headrace", b"3")]

    assert encode(HEAD, older) == [("headrace", b"3"), *encode(HEAD, [])]


@pytest.mark.parametrize("character", ["a", "ä", "€", "😀"])
def test_a_long_text_is_cut_at_a_character(character: str) -> None:
    """Never in the middle of one."""
    found = encode(replace(HEAD, detail="x" + character * 2000), [])
    cut = texts(found, OWN)["detail"]

    assert all(len(value or b"") <= LONGEST for _, value in found)
    assert cut == "x" + character * ((LONGEST - 1) // len(character.encode()))
    assert texts(found, CONNECT)["exception.message"] == cut


def test_text_that_is_no_unicode_does_not_stop_a_letter() -> None:
    """Half a surrogate pair can't be encoded; the rest of the sentence can."""
    assert decode(encode(replace(HEAD, detail="a\ud800b"), [])).detail == "a?b"


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_missing_is_named(name: str) -> None:
    """Also where the header is there without a value."""
    whole = encode(HEAD, [])
    for lacking in ([h for h in whole if h[0] != OWN + name], [*whole, (OWN + name, None)]):
        with pytest.raises(NoLetter, match=rf"{OWN}{name} is missing"):
            decode(lacking)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("partition", b"-1"),
        ("offset", b"1_0"),
        ("offset", "\N{ARABIC-INDIC DIGIT THREE}".encode()),
        ("attempt", b""),
        ("attempt", b"9" * 5000),
        ("group", b"\xff"),
        ("error-type", b"odd"),
        ("failed-at", b"yesterday"),
        ("failed-at", b"2026-01-02T03:04:05"),
        ("due-at", b"0"),
        ("batch-id", b"x"),
        ("schema-id", b"1.0"),
        ("pointer", b"yes"),
    ],
)
def test_what_is_malformed_is_named(name: str, bad: bytes) -> None:
    """Without what it says."""
    with pytest.raises(NoLetter) as caught:
        decode([*encode(HEAD, []), (OWN + name, bad)])

    assert str(caught.value) == f"the header {OWN}{name} is malformed"


def test_headers_of_no_letter_are_none() -> None:
    """Any record may lie in a topic."""
    with pytest.raises(NoLetter):
        decode([])


def test_what_other_consumers_said_of_a_failure_is_not_in_a_copy() -> None:
    """It would be taken for what is said of this one; the record's own headers stay, in their order."""
    own = [("kafka_correlationId", b"1"), ("traceparent", b"2")]
    theirs = [
        ("kafka_dlt-exception-message", b"a row"),
        ("kafka_original-topic", b"t"),
        ("__streams.errors.stacktrace", b"a row"),
        ("__dlq.errors.message", b"a row"),
    ]
    written = encode(HEAD, [own[0], *theirs, own[1]])
    assert [header for header in written if not header[0].startswith((OWN, CONNECT))] == own
