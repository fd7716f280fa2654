"""Checks of the settings: which values break which rule, which rules fit which columns, and what becomes of records."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.binding.known import KnownBindings
from consumer.core.checks import Rules, UnfitRule, broken, compiled
from consumer.core.envelope import Column, read_writer_schema
from consumer.core.fold import SEQ
from consumer.core.formats import PATTERNS, Format
from consumer.core.letters import State
from consumer.core.plan import Plan
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.rows import RowDecoder
from consumer.planning.planner import BadRecord
from consumer.planning.unbound import Unbound
from consumer.ports.topics import Traits
from tests.unit.avro import Writer, envelope, event
from tests.unit.known import AT, Topic, planner, slice_of
from tests.unit.world import World

DEBEZIUM = "io.debezium.time."
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
ENUM = {"type": "enum", "name": "Mood", "symbols": ["good", "bad"]}
DATE = {"type": "int", "connect.name": f"{DEBEZIUM}Date"}
# as Debezium's PostgreSQL connector writes the infinities of dates, and days that are far off
AHEAD, BEFORE = [-2_147_472_692, 200_000_000], [-2_147_472_691, -200_000_000]
NOW = datetime(2024, 6, 15, 12, tzinfo=UTC).timestamp()
TODAY = (date(2024, 6, 15) - date(1970, 1, 1)).days


def time_of(name: str, kind: str = "long") -> dict[str, str]:
    """A type of Debezium's."""
    return {"type": kind, "connect.name": DEBEZIUM + name}


def column_of(kind: Any) -> Column:
    """A column `x` of an Avro type."""
    return read_writer_schema(Writer(envelope([{"name": "x", "type": kind}])).text).columns[0]


def images(kind: Any, values: Sequence[Any], decoder: Any) -> pl.DataFrame:
    """What a decoder gives for these values of a column that takes nulls."""
    writer = Writer(envelope([{"name": "x", "type": ["null", kind]}]))
    schema = read_writer_schema(writer.text).rewritten
    assert schema is not None
    data = [writer.datum(event("c", None, {"x": value})) for value in values]
    frame: pl.DataFrame = decoder.decode(schema.text, data, ["op", "after"])
    return frame["after"].struct.unnest().with_columns(pl.Series(SEQ, range(len(values)), dtype=pl.Int64))


def breaking(kind: Any, rules: Rules, values: Sequence[Any], now: float = NOW) -> list[Any]:
    """The values that break the rules, as both decoders' columns say it."""
    checks = compiled(column_of(kind), rules)
    found = []
    for decoder in (RowDecoder(), ColumnarDecoder(RowDecoder(), smallest_block=1)):
        frame = images(kind, values, decoder)
        found.append([values[place] for place in sorted(broken(frame, checks, {}, now))])
    assert found[0] == found[1]
    return found[0]


NAN, INFINITY = float("nan"), float("inf")
MS, US, NS = 1000, 1_000_000, 1_000_000_000
D2020 = (date(2020, 1, 1) - date(1970, 1, 1)).days
T2020 = D2020 * 86_400


@pytest.mark.parametrize(
    ("kind", "rules", "good", "bad"),
    [
        pytest.param("int", Rules(min=Decimal("0.5"), max=Decimal(3)), [1, 3, None], [0, 4, -1], id="integers"),
        pytest.param("long", Rules(max=Decimal(2**62)), [2**62, -(2**63)], [2**62 + 1, 2**63 - 1], id="long ones"),
        pytest.param("double", Rules(min=Decimal(0)), [0.0, INFINITY, None], [-0.1, NAN, -INFINITY], id="floats"),
        pytest.param("float", Rules(max=Decimal(1)), [1.0, -INFINITY], [1.5, NAN, INFINITY], id="short floats"),
        pytest.param(
            PRICE,
            Rules(min=Decimal("0.005"), max=Decimal("10.999")),
            [Decimal("0.01"), Decimal("10.99"), None],
            [Decimal("0.00"), Decimal("11.00"), Decimal("-5.00")],
            id="decimals",
        ),
        pytest.param(
            DATE,
            Rules(min=date(2020, 1, 1), max=date(2020, 1, 2)),
            [D2020, D2020 + 1],
            [D2020 - 1, D2020 + 2],
            id="days",
        ),
        pytest.param(DATE, Rules(min=date(2020, 1, 1)), AHEAD, BEFORE, id="days that are not too early"),
        pytest.param(DATE, Rules(max=date(2020, 1, 1)), BEFORE, AHEAD, id="days that are not too late"),
        pytest.param(
            time_of("Timestamp"),
            Rules(max=date(2020, 1, 1)),
            [T2020 * MS, (T2020 + 86_399) * MS + 999],
            [(T2020 + 86_400) * MS, 2**63 - 1],
            id="milliseconds, up to the end of a day",
        ),
        pytest.param(
            time_of("MicroTimestamp"),
            Rules(min=datetime(2020, 1, 1, tzinfo=UTC)),
            [T2020 * US, 2**63 - 1, None],
            [T2020 * US - 1, -(2**63)],
            id="microseconds",
        ),
        pytest.param(
            time_of("NanoTimestamp"),
            Rules(min=datetime(2020, 1, 1, tzinfo=UTC)),
            [T2020 * NS],
            [T2020 * NS - 1],
            id="nanoseconds",
        ),
        pytest.param(
            time_of("ZonedTimestamp", "string"),
            Rules(min=datetime(2020, 1, 1, tzinfo=UTC), max=datetime(2021, 1, 1, tzinfo=UTC)),
            ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00.5Z", "2021-01-01T00:00:00Z"],
            ["2019-12-31T23:59:59.999999Z", "infinity", "-infinity", "+12020-01-01T00:00:00Z", "-0044-03-15T00:00:00Z"],
            id="instants",
        ),
        pytest.param(
            time_of("ZonedTimestamp", "string"),
            Rules(past=True),
            ["2024-06-15T12:00:00Z", "-infinity"],
            ["2024-06-15T12:00:00.000001Z", "infinity"],
            id="an instant of the future",
        ),
        pytest.param(DATE, Rules(past=True), [TODAY, TODAY + 1, -1], [TODAY + 2], id="a day that is nowhere yet"),
        pytest.param("string", Rules(length=3), ["abc", "éé€", None], ["ab", "abcd", ""], id="characters"),
        pytest.param("string", Rules(min_length=1, max_length=2), ["a", "ab"], ["", "abc"], id="so many characters"),
        pytest.param("bytes", Rules(length=2), [b"ab"], [b"a", "é€".encode()], id="bytes"),
        pytest.param("string", Rules(pattern="^[A-Z]{3}$"), ["ABC"], ["ABCD", "abc", "ABC\n", ""], id="pattern"),
        pytest.param("string", Rules(pattern="b"), ["abc"], ["ac"], id="pattern inside"),
        pytest.param("string", Rules(allowed=("a", "b")), ["a", "b", None], ["c", ""], id="texts"),
        pytest.param(ENUM, Rules(allowed=("good",)), ["good"], ["bad"], id="labels"),
        pytest.param(ENUM, Rules(pattern="^g", length=4), ["good"], ["bad"], id="labels as texts"),
        pytest.param("int", Rules(allowed=(1, 2)), [1, 2, None], [3], id="numbers"),
        pytest.param("boolean", Rules(allowed=(True,)), [True, None], [False], id="booleans"),
        pytest.param("string", Rules(not_null=True), ["", "a"], [None], id="null"),
        pytest.param("string", Rules(not_null=True, length=1), ["a"], [None, "ab"], id="two rules"),
        pytest.param({"type": "array", "items": "string"}, Rules(not_null=True), [[], ["a"]], [None], id="null array"),
    ],
)
def test_what_breaks_a_rule(kind: Any, rules: Rules, good: Sequence[Any], bad: Sequence[Any]) -> None:
    """And only that, whichever decoder read it."""
    assert [repr(each) for each in breaking(kind, rules, [*good, *bad])] == [repr(each) for each in bad]


FORMATS: Mapping[Format, tuple[Sequence[str], Sequence[str]]] = {
    "email": (
        ["a@b.example", "first.last+tag@sub.domain.example"],
        [
            "a@b",
            "@b.example",
            "a b@c.example",
            "a@-b.example",
            "a@b.example\n",
            "a@b..example",
            "a" * 65 + "@b.example",
        ],
    ),
    "uuid": (
        ["00000000-0000-0000-0000-000000000000", "B68A35A7-17ad-35b3-af2a-ae46edb4545a"],
        ["0000000000000000000000000000000000", "{00000000-0000-0000-0000-000000000000}", "g" * 36],
    ),
    "url": (
        ["http://a.example", "https://u:p@a.example:8080/p?q=1#f", "HTTP://[::1]/", "https://a.example?q"],
        ["ftp://a.example", "a.example", "http://", "http:///p", "https://a.example/a b", "https://a.example:x/"],
    ),
    "ipv4": (["0.0.0.0", "255.255.255.255"], ["256.0.0.1", "1.2.3", "01.2.3.4", "1.2.3.4/8", "::1"]),
    "ipv6": (["::", "::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4"], ["1.2.3.4", ":::", "1::2::3", "::1/64", "12345::"]),
    "ip": (["1.2.3.4", "fe80::1"], ["1.2.3", "fe80:::1"]),
    "country": (["DE", "XX"], ["de", "DEU", "D1", ""]),
    "currency": (["EUR"], ["eur", "EU", "EURO"]),
    "e164": (["+4930123456", "+12"], ["4930123456", "+0123", "+1", "+1234567890123456", "+49 30", "+٤٩٣٠"]),
}


def test_each_format_has_examples() -> None:
    """A new one has to be added here."""
    assert FORMATS.keys() == PATTERNS.keys()


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_format_is_told_by_how_a_text_looks(name: Format) -> None:
    """As a whole."""
    good, bad = FORMATS[name]

    assert breaking("string", Rules(format=name), [*good, *bad]) == bad


def address_of(text: str, version: int) -> bool:
    """Whether the standard library reads it as an address of that version."""
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    try:
        kind(text)
    except ValueError:
        return False
    return True


PARTS = st.sampled_from(["", "", "0", "ab", "F1", "12345", "g", "1.2.3.4", "1.2.3"])


@given(
    st.lists(st.one_of(st.lists(PARTS, max_size=9).map(":".join), st.ip_addresses().map(str)), min_size=1, max_size=50)
)
def test_addresses_are_those_of_the_standard_library(texts: list[str]) -> None:
    """With colons in any number."""
    for version, name in ((4, "ipv4"), (6, "ipv6")):
        wrong = broken(
            pl.DataFrame({"x": texts, SEQ: range(len(texts))}),
            compiled(column_of("string"), Rules(format=name)),
            {},
            NOW,
        )
        assert [place not in wrong for place in range(len(texts))] == [address_of(text, version) for text in texts]


@pytest.mark.parametrize(
    ("kind", "rules", "says"),
    [
        pytest.param(
            "string",
            Rules(min=Decimal(1)),
            "numbers with a fixed scale for the check min = 1, found text",
            id="range of texts",
        ),
        pytest.param(
            "int",
            Rules(min=date(2020, 1, 1)),
            "dates or timestamps for the check min = 2020-01-01",
            id="day of a number",
        ),
        pytest.param(
            "boolean", Rules(past=True), "dates or timestamps for the check past = true", id="past of booleans"
        ),
        pytest.param(
            "int", Rules(length=1), "texts or bytes for the check length = 1, found integer", id="length of numbers"
        ),
        pytest.param(DATE, Rules(pattern="a"), 'texts for the check pattern = "a", found days', id="pattern of days"),
        pytest.param("int", Rules(format="uuid"), 'texts for the check format = "uuid"', id="format of numbers"),
        pytest.param(
            "double", Rules(allowed=(1,)), "texts, integers or booleans for the check in = [1]", id="list of floats"
        ),
        pytest.param(
            "int", Rules(allowed=("a",)), 'the column\'s type for the check in = ["a"]', id="texts for numbers"
        ),
        pytest.param(
            "int", Rules(allowed=(True,)), "the column's type for the check in = [true]", id="booleans for numbers"
        ),
        pytest.param(
            "long", Rules(max=Decimal("1e30")), "could hold for the check max = 1000000", id="beyond all numbers"
        ),
        pytest.param(
            PRICE, Rules(max=Decimal("1e37")), "could hold for the check max = 1000000", id="beyond all digits"
        ),
        pytest.param({"type": "array", "items": "int"}, Rules(min_length=1), "texts or bytes", id="length of arrays"),
    ],
)
def test_a_rule_that_does_not_fit_its_column_is_told(kind: Any, rules: Rules, says: str) -> None:
    """With what it is for and what was found."""
    with pytest.raises(UnfitRule) as caught:
        compiled(column_of(kind), rules)

    assert str(caught.value).startswith("after.x: expected ")
    assert says in str(caught.value)


FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "n", "type": ["null", "int"], "default": None},
]
ORDERS = Topic(FIELDS)
UNAVAILABLE = "__debezium_unavailable_value"


def world(checks: Mapping[str, Rules], topic: Topic = ORDERS) -> World:
    """A world in which the table is to be checked so."""
    table = topic.binding.table
    assert table is not None
    found = World({1: topic.keys.text, 2: topic.values.text}, lambda name: table)
    found.topics[AT.topic] = Traits(compacted=False, partitions=1)
    found.checks = {str(table.name): dict(checks)}
    return found


def planned(checks: Mapping[str, Rules], *records: tuple[bytes, bytes], topic: Topic = ORDERS) -> Plan:
    """The plan of a slice."""
    known = KnownBindings()
    try:
        return planner(known).plan([slice_of(records)])
    except Unbound as unbound:
        world(checks, topic).binder(known).bind(unbound.wanted)
    return planner(known).plan([slice_of(records)])


def row(number: int, word: str | None = "fine", n: int | None = 1) -> dict[str, Any]:
    """A row."""
    return {"id": number, "word": word, "n": n}


CHECKS = {"word": Rules(pattern="^[a-z]+$"), "n": Rules(min=Decimal(0), allowed=(1, 2, 3))}


@pytest.mark.provokes("record.checks")
@pytest.mark.parametrize("more", [0, 30], ids=["row decoder", "columnar decoder"])
def test_only_rows_that_break_a_check_become_letters(more: int) -> None:
    """The message names column and rule, and no value; all others are written."""
    others = [ORDERS.record("c", row(100 + number)) for number in range(more)]
    plan = planned(
        CHECKS,
        ORDERS.record("c", row(1)),
        ORDERS.record("r", row(2, "SESAME")),
        ORDERS.record("u", row(3, None, None)),
        ORDERS.record("u", row(4, n=-7)),
        *others,
    )

    assert [letter.record.ref.offset for letter in plan.letters] == [101, 103]
    assert {letter.failure.kind for letter in plan.letters} == {"record.checks"}
    assert [letter.state for letter in plan.letters] == [State.DEAD] * 2
    first, second = (letter.failure.detail for letter in plan.letters)
    assert 'after.word: expected pattern = "^[a-z]+$", found a value that breaks it' in first
    assert "after.n: expected min = 0, found a value that breaks it, and 1 more checks" in second
    assert "SESAME" not in first
    assert "-7" not in second
    assert sum(write.rows for write in plan.writes) == 2 + more


def test_deletes_are_not_checked() -> None:
    """What goes need not be right."""
    plan = planned(CHECKS, ORDERS.record("d", row(1, "SESAME", -1)))

    assert plan.letters == []
    assert plan.counts.deletes == 1


def test_what_debezium_left_out_is_not_checked() -> None:
    """The rest of its row is."""
    plan = planned(CHECKS, ORDERS.record("u", row(1, UNAVAILABLE)), ORDERS.record("u", row(2, UNAVAILABLE, -1)))

    assert [letter.record.ref.offset for letter in plan.letters] == [101]
    assert [len(write.columns) for write in plan.writes] == [2]


def test_a_bad_change_in_front_of_a_good_one_is_superseded() -> None:
    """As any letter of the row."""
    plan = planned(CHECKS, ORDERS.record("c", row(1, "BAD")), ORDERS.record("u", row(1)))

    assert [letter.state for letter in plan.letters] == [State.SUPERSEDED]
    assert plan.counts.upserts == 1


@pytest.mark.provokes("table.settings")
@pytest.mark.parametrize(
    ("checks", "says"),
    [
        pytest.param({"wrod": Rules(length=1)}, "after.wrod: expected a column for the check", id="no such column"),
        pytest.param({"n": Rules(length=1)}, "after.n: expected a column of texts or bytes", id="another type"),
    ],
)
def test_a_check_that_does_not_fit_stops_the_table(checks: Mapping[str, Rules], says: str) -> None:
    """Before any row is touched."""
    with pytest.raises(BadRecord) as caught:
        planned(checks, ORDERS.record("c", row(1)))

    assert caught.value.failure.kind == "table.settings"
    assert says in caught.value.failure.detail
    assert "`checks`" in caught.value.failure.remedy


def test_a_column_that_the_table_has_and_an_old_schema_does_not_is_no_mistake() -> None:
    """Records from before it came are read again without trouble."""
    old = Topic(FIELDS[:2])
    table, here = ORDERS.binding.table, old.binding.table
    assert table is not None
    assert here is not None
    old.binding = replace(old.binding, table=replace(here, columns=table.columns))

    assert planned(CHECKS, old.record("c", {"id": 1, "word": "fine"}), topic=old).letters == []
