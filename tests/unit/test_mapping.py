"""Mapping of a table's columns: left out, renamed, hidden, constant, and transformed by a user's own code."""

import hmac
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
import pytest

from consumer.binding.known import KnownBindings
from consumer.binding.mapping import ColumnMapping, TableMapping
from consumer.composition.binding_settings import binder_settings
from consumer.core.binding import Binding, BindingKey
from consumer.core.failure import Failure, Refused
from consumer.core.plan import Plan
from consumer.core.runs import runs
from consumer.core.target import TargetColumn, TargetTable
from consumer.core.transform import Named
from consumer.core.writes import Action, TableWrite
from consumer.edges.transforms import load_transform
from consumer.planning.planner import BadRecord
from consumer.planning.unbound import Unbound
from consumer.ports.refusals import DataFault
from consumer.ports.topics import Traits
from consumer.settings.loading import load
from tests.unit.known import AT, Topic, planner, slice_of
from tests.unit.world import World

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "first", "type": ["null", "string"], "default": None},
    {"name": "last", "type": ["null", "string"], "default": None},
    {"name": "n", "type": ["null", "int"], "default": None},
]
PEOPLE = Topic(FIELDS)
assert PEOPLE.binding.table is not None
NAME = PEOPLE.binding.table.name
LEFT_OUT = "__debezium_unavailable_value"
KEY = b"0123456789abcdef"


def row(number: int, first: str | None = "Ada", last: str | None = "Byron", n: int | None = 1) -> dict[str, Any]:
    """A row."""
    return {"id": number, "first": first, "last": last, "n": n}


def table(*names: str, key: str = "id", **types: str) -> TargetTable:
    """A table of these columns, texts unless said otherwise."""
    kinds = {name: types.get(name, "int8" if name == key else "text") for name in names}
    columns = tuple(TargetColumn(name=name, type_name=kind, cast=kind) for name, kind in kinds.items())
    return TargetTable(name=NAME, columns=columns, unique=(frozenset({key}),))


def mapping(**said: Any) -> TableMapping:
    """A mapping, with these columns' own under `columns`."""
    columns = {name: ColumnMapping(**each) for name, each in said.pop("columns", {}).items()}
    return TableMapping(columns=columns, key=KEY, **said)


class Mapped:
    """A topic whose table is to be mapped so."""

    def __init__(self, wanted: TableMapping, target: TargetTable | None, **world: Any) -> None:
        self.world = World({1: PEOPLE.keys.text, 2: PEOPLE.values.text}, lambda name: target, **world)
        self.world.topics[AT.topic] = Traits(compacted=True, partitions=3)
        self.world.mappings = {str(NAME): wanted}
        self.known = KnownBindings()
        self.binder = self.world.binder(self.known)

    def plan(self, *records: tuple[bytes, bytes | None]) -> Plan:
        """The plan of a slice."""
        while True:
            try:
                return planner(self.known).plan([slice_of(records)])
            except Unbound as unbound:
                self.binder.bind(unbound.wanted)

    def binding(self) -> Binding:
        """The binding that was made."""
        (run,) = runs(slice_of([PEOPLE.record("c", row(1))]))
        binding = self.known.find(BindingKey(AT.topic, run.key_frame, run.value_frame))
        assert binding is not None
        return binding

    def refusal(self) -> Failure:
        """Why a record can't be bound."""
        with pytest.raises(BadRecord) as caught:
            self.plan(PEOPLE.record("c", row(1)))
        return caught.value.failure


def names(write: TableWrite) -> list[str]:
    """The columns that a write has."""
    return [column.name for column in write.columns]


def frame(wanted: TableMapping, target: TargetTable, *rows: Mapping[str, Any]) -> pl.DataFrame:
    """The shaped image of rows, whose columns are by the source's names."""
    mapped = Mapped(wanted, target)
    mapped.plan(*(PEOPLE.record("c", each) for each in rows))
    binding = mapped.binding()
    image = pl.DataFrame(list(rows), schema={"id": pl.Int64, "first": pl.String, "last": pl.String, "n": pl.Int32})
    assert binding.shape is not None
    return binding.shape.of(image, (), ()).frame


@pytest.mark.parametrize(
    ("wanted", "target", "there"),
    [
        pytest.param(mapping(exclude=frozenset({"last"})), ["id", "first", "n"], ["id", "first", "n"], id="excluded"),
        pytest.param(mapping(include=frozenset({"id", "n"})), ["id", "n"], ["id", "n"], id="included"),
        pytest.param(
            mapping(columns={"id": {"rename": "number"}, "n": {"rename": "count"}}),
            ["number", "first", "last", "count"],
            ["number", "first", "last", "count"],
            id="renamed, the key too",
        ),
        pytest.param(
            mapping(columns={"first": {"rename": "last"}}, exclude=frozenset({"last"})),
            ["id", "last", "n"],
            ["id", "last", "n"],
            id="renamed to what is excluded",
        ),
        pytest.param(
            mapping(constants={"origin": "shop"}), ["id", "first", "last", "n", "origin"], None, id="a constant column"
        ),
    ],
)
def test_columns_go_where_the_settings_say(wanted: TableMapping, target: list[str], there: list[str] | None) -> None:
    """Upserts, deletes, tombstones and letters know the row by the table's own names of its key."""
    key = target[0]
    mapped = Mapped(wanted, table(*target, key=key))
    plan = mapped.plan(
        PEOPLE.record("c", row(1)),
        PEOPLE.record("d", row(2)),
        (PEOPLE.key(row(3)), None),
        (PEOPLE.key(row(4)), PEOPLE.record("c", row(4))[1][:-1]),
    )
    delete, upsert = plan.writes
    (aside,) = plan.stages[0].letters

    assert names(upsert) == (there or target)
    assert names(delete) == [key]
    assert delete.rows == 2
    assert upsert.identity == delete.identity == (key,)
    assert aside.identities is not None
    assert aside.identities.identity == (key,)
    assert names(aside.identities) == [key]


def test_tombstones_that_come_first_find_the_renamed_key() -> None:
    """Though nothing but the key is known of the row."""
    mapped = Mapped(mapping(columns={"id": {"rename": "number"}}), table("number", "first", key="number"))
    mapped.world.sources[AT.topic, 1] = {"db": "shop", "schema": "public", "table": "orders"}
    (write,) = mapped.plan((PEOPLE.key(row(3)), None)).writes

    assert (write.action, names(write), write.identity) == (Action.DELETE, ["number"], ("number",))


def test_a_table_that_is_made_has_the_mapped_columns() -> None:
    """By their names there, with constants and hashes in the types of what they hold."""
    wanted = mapping(
        exclude=frozenset({"last"}),
        columns={"id": {"rename": "number"}, "n": {"hash": True}},
        constants={"origin": "shop", "level": 3, "ratio": 0.5, "live": True},
    )
    mapped = Mapped(wanted, None)
    mapped.plan(PEOPLE.record("c", row(1)))

    assert list(mapped.world.made.values()) == [
        {
            "number": "bigint",
            "first": "text",
            "n": "text",
            "origin": "text",
            "level": "bigint",
            "ratio": "double precision",
            "live": "boolean",
        }
    ]


def test_values_are_hidden() -> None:
    """By a text, by null, or by a keyed hash of their text; nulls have no hash."""
    wanted = mapping(
        columns={"first": {"mask": "***"}, "last": {"hash": True}, "n": {"hash": True}}, constants={"origin": 7}
    )
    target = table("id", "first", "last", "n", "origin", origin="int8")
    shaped = frame(wanted, target, row(1), row(2, None, "Ädä", None), row(3, "x", "Byron", -1))

    def digest(text: str) -> str:
        return hmac.new(KEY, text.encode(), "sha256").hexdigest()

    assert shaped["first"].to_list() == ["***"] * 3
    assert shaped["last"].to_list() == [digest("Byron"), digest("Ädä"), digest("Byron")]
    assert shaped["n"].to_list() == [digest("1"), None, digest("-1")]
    assert shaped["origin"].to_list() == [7, 7, 7]
    erased = frame(mapping(columns={"n": {"erase": True}}), table("id", "first", "last", "n", n="int4"), row(1))
    assert erased["n"].to_list() == [None]
    assert erased["n"].dtype == pl.Int32


def test_what_debezium_left_out_stays_left_out() -> None:
    """A hash of the marker would be a value; what is masked or left out needs no value."""
    wanted = mapping(columns={"first": {"mask": "-"}, "last": {"hash": True}}, exclude=frozenset({"n"}))
    plan = Mapped(wanted, table("id", "first", "last")).plan(
        PEOPLE.record("u", row(1, last=LEFT_OUT)), PEOPLE.record("u", row(2, first=LEFT_OUT))
    )

    assert [(write.action, names(write), write.rows) for write in plan.writes] == [
        (Action.UPSERT, ["id", "first", "last"], 1),
        (Action.UPDATE, ["id", "first"], 1),
    ]


class Whole:
    """Joins two columns into one, and doubles a number."""

    made_from: Mapping[str, tuple[str, ...]] = {"name": ("first", "last"), "n": ("n",)}

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Without the two."""
        name = (pl.col("first") + " " + pl.col("last")).alias("name")
        return rows.with_columns(name, pl.col("n") * 2).drop("first", "last")


WHOLE = Named(name="whole", call=Whole())
PERSON = table("id", "name", "n", n="int4")
FULL = table("id", "first", "last", "n", n="int4")


def test_a_transform_makes_columns_of_columns() -> None:
    """What it drops is not in the table."""
    assert frame(mapping(transform=WHOLE), PERSON, row(1), row(2, None)).to_dict(as_series=False) == {
        "id": [1, 2],
        "n": [2, 2],
        "name": ["Ada Byron", None],
    }


def test_what_it_makes_is_mapped_too() -> None:
    """By its own names."""
    wanted = mapping(transform=WHOLE, columns={"name": {"hash": True, "rename": "who"}, "n": {"erase": True}})
    shaped = frame(wanted, table("id", "who", "n", n="int4"), row(1))

    assert shaped["name"].to_list() == [hmac.new(KEY, b"Ada Byron", "sha256").hexdigest()]
    assert shaped["n"].to_list() == [None]


@pytest.mark.provokes("record.transform")
def test_a_transform_never_sees_a_marker() -> None:
    """What is made from columns that were left out is left alone; where some of them are there, a letter is made."""
    plan = Mapped(mapping(transform=WHOLE), PERSON).plan(
        PEOPLE.record("u", row(1, LEFT_OUT, LEFT_OUT)),
        PEOPLE.record("u", row(2, LEFT_OUT)),
        PEOPLE.record("c", row(3)),
        PEOPLE.record("u", row(3, LEFT_OUT)),
    )

    assert [(write.action, names(write), write.rows) for write in plan.writes] == [
        (Action.UPSERT, ["id", "n", "name"], 1),
        (Action.UPDATE, ["id", "n"], 1),
    ]
    (letter,) = plan.letters
    assert letter.record.ref.offset == 101
    assert letter.failure.kind == "record.transform"
    assert "name: expected all columns that it is made from" in letter.failure.detail
    assert "REPLICA IDENTITY FULL" in letter.failure.remedy


def test_a_masked_column_in_front_of_a_transform_is_known_all_the_same() -> None:
    """Whether it is the source's or made; the transform saw null in its place."""
    wanted = mapping(transform=WHOLE, columns={"name": {"mask": "***"}, "n": {"erase": True}})
    (write,) = Mapped(wanted, PERSON).plan(PEOPLE.record("u", row(1, LEFT_OUT))).writes

    assert (write.action, names(write)) == (Action.UPDATE, ["id", "n", "name"])


class Looks:
    """Changes nothing, and refuses placeholders."""

    made_from: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows."""
        assert not rows.select((pl.col(pl.String) == LEFT_OUT).any()).row(0).count(True)
        return rows


def test_a_transform_sees_no_placeholder_of_a_masked_column() -> None:
    """It gets all that is kept."""
    wanted = mapping(transform=Named(name="looks", call=Looks()), columns={"last": {"mask": "***"}})
    (write,) = Mapped(wanted, FULL).plan(PEOPLE.record("u", row(1, last=LEFT_OUT))).writes

    assert names(write) == ["id", "first", "last", "n"]


class Fails(Whole):
    """Does not like some rows."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Raises with a value in its message."""
        for name in rows["first"]:
            if name == "sesame":
                raise KeyError(name)
        return super().__call__(rows)


class Shuffles(Whole):
    """Brings rows into another order."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """By the last column."""
        return super().__call__(rows).sort("n", descending=True)


class Filters(Whole):
    """Leaves rows out."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Some."""
        return super().__call__(rows.filter(pl.col("n") > 1))


class Wavers(Whole):
    """Has other types for some rows."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """A wider one where there are rows."""
        result = super().__call__(rows)
        return result.with_columns(pl.col("n").cast(pl.Int64)) if len(rows) else result


@pytest.mark.provokes("record.transform")
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (Fails(), "raised KeyError"),
        (Shuffles(), "changed the key column 'id', or the rows' order"),
        (Filters(), "one row for each"),
        (Wavers(), "other columns or types"),
    ],
)
def test_rows_that_a_transform_can_not_do_are_refused(call: Whole, says: str) -> None:
    """By its batch, which is halved until the record is found; never by a value."""
    mapped = Mapped(mapping(transform=Named(name="mine", call=call)), PERSON)
    with pytest.raises(DataFault) as caught:
        mapped.plan(PEOPLE.record("c", row(1, "sesame", n=1)), PEOPLE.record("c", row(2, n=2)))

    assert caught.value.failure.kind == "record.transform"
    assert "'mine'" in caught.value.failure.detail
    assert says in caught.value.failure.detail
    assert "sesame" not in str(caught.value.failure)


class Unsaid(Whole):
    """Says nothing of what it makes."""

    made_from: Mapping[str, tuple[str, ...]] = {"n": ("n",)}


class Unread(Whole):
    """Reads what is not there."""

    made_from: Mapping[str, tuple[str, ...]] = {**Whole.made_from, "name": ("first", "middle")}


class Nested(Whole):
    """Makes what no column takes."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """A list."""
        return super().__call__(rows).with_columns(pl.concat_list("n").alias("n"))


def own(call: Whole) -> Named:
    """A transform by the name `mine`."""
    return Named(name="mine", call=call)


@pytest.mark.provokes("table.settings")
@pytest.mark.parametrize(
    ("wanted", "target", "says", "remedy"),
    [
        pytest.param(
            mapping(exclude=frozenset({"id"})), FULL, "after.id: expected the key's", "`include`", id="key excluded"
        ),
        pytest.param(
            mapping(include=frozenset({"n"})), FULL, "after.id: expected the key's", "`include`", id="key not included"
        ),
        *(
            pytest.param(
                mapping(columns={"id": hidden}),
                FULL,
                "after.id: expected a key column as it is",
                "renaming",
                id=f"key {hidden}",
            )
            for hidden in ({"mask": "x"}, {"erase": True}, {"hash": True})
        ),
        pytest.param(
            mapping(columns={"frist": {"mask": "x"}}),
            FULL,
            "after.frist: expected a column that the",
            "name",
            id="no column to mask",
        ),
        pytest.param(
            mapping(include=frozenset({"id", "frist"})),
            FULL,
            "after.frist: expected a column",
            "name",
            id="no column to include",
        ),
        pytest.param(
            mapping(columns={"first": {"rename": "last"}}),
            FULL,
            "after.last: expected a name of its own",
            "name",
            id="two of one name",
        ),
        pytest.param(
            mapping(constants={"first": "x"}),
            FULL,
            "after.first: expected a name of its own",
            "name",
            id="a constant of the source's name",
        ),
        pytest.param(
            mapping(columns={"n": {"erase": True}}),
            replace(FULL, columns=(*FULL.columns[:3], replace(FULL.columns[3], required=True))),
            "after.n: expected a column that takes nulls",
            "`mask`",
            id="erased, and NOT NULL",
        ),
        pytest.param(mapping(constants={"x" * 64: 1}), FULL, "at most 63 bytes", "name", id="a long name"),
        pytest.param(
            mapping(transform=own(Unsaid())),
            PERSON,
            "after.name: expected it in made_from of 'mine'",
            "transform",
            id="made, unsaid",
        ),
        pytest.param(
            mapping(transform=own(Unread())),
            PERSON,
            "after.middle: expected a column that the transform",
            "transform",
            id="reads what is not there",
        ),
        pytest.param(
            mapping(transform=own(Nested())), PERSON, "n: expected a boolean, Int32", "transform", id="makes lists"
        ),
    ],
)
def test_a_mapping_that_does_not_fit_stops_the_table(
    wanted: TableMapping, target: TargetTable, says: str, remedy: str
) -> None:
    """Before any row is touched."""
    failure = Mapped(wanted, target).refusal()

    assert failure.kind == "table.settings"
    assert says in failure.detail
    assert remedy in failure.remedy


def test_a_float_has_no_hash() -> None:
    """One number has many texts."""
    topic = Topic([*FIELDS[:1], {"name": "n", "type": "double"}])
    mapped = Mapped(mapping(columns={"n": {"hash": True}}), table("id", "n", n="float8"))
    mapped.world.schemas[2] = topic.values.text
    with pytest.raises(BadRecord) as caught:
        mapped.plan(topic.record("c", {"id": 1, "n": 0.5}))

    assert "after.n: expected a column of texts, integers or bytes to hash, found double" in caught.value.failure.detail


def test_what_the_table_has_and_an_old_schema_does_not_is_no_mistake() -> None:
    """Records from before a column came are read again without trouble; what is excluded need not be anywhere."""
    wanted = mapping(columns={"later": {"rename": "much_later"}}, exclude=frozenset({"never"}))
    target = replace(FULL, columns=(*FULL.columns, *table("much_later").columns))

    assert Mapped(wanted, target).plan(PEOPLE.record("c", row(1))).counts.upserts == 1


def test_the_key_of_hashes_is_in_no_text() -> None:
    """Neither of the settings nor of what is bound."""
    mapped = Mapped(mapping(columns={"last": {"hash": True}}), FULL)
    mapped.plan(PEOPLE.record("c", row(1)))

    for shown in (mapped.binding(), mapped.world.mappings):
        assert KEY.decode() not in repr(shown)


def package(path: Path, name: str, code: str, target: str) -> None:
    """A package as it is when installed, with one entry point."""
    (path / f"{name}.py").write_text(code)
    info = path / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[headrace.transforms]\n{name} = {name}:{target}\n")


LOUD = """
import polars as pl

class Loud:
    made_from = {"first": ("first",)}

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.col("first").str.to_uppercase())

loud = Loud()
deaf = lambda rows: rows
"""


def test_a_package_offers_a_transform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an entry point, whose name the settings give."""
    package(tmp_path, "loudly", LOUD, "loud")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "headrace.toml").write_text(
        '[kafka]\nbootstrap_servers = "b:1"\ntopics = ["t"]\n[registry]\nurl = "http://r"\n[target]\ndsn = "x"\n'
        f'[secrets]\nhash_key = "{KEY.decode()}"\n'
        f'[tables."{NAME}"]\ntransform = "loudly"\nconstants = {{origin = "shop"}}\n'
        f'[tables."{NAME}".columns]\nlast = {{hash = true}}\n'
    )
    found = load()
    wanted = binder_settings(found).mappings[str(NAME)]
    target = table("id", "first", "last", "n", "origin", n="int4")

    assert KEY.decode() not in repr(found)
    shaped = frame(wanted, target, row(1))
    assert shaped["first"].to_list() == ["ADA"]
    assert shaped["last"].to_list() == [hmac.new(KEY, b"Byron", "sha256").hexdigest()]
    assert shaped["origin"].to_list() == ["shop"]


@pytest.mark.provokes("worker.settings")
@pytest.mark.parametrize(
    ("code", "target", "name", "says"),
    [
        pytest.param(LOUD, "loud", "other", "no package offers a transform 'other'; there are: mine", id="not there"),
        pytest.param("raise OSError", "loud", "mine", "can't be imported (OSError)", id="broken"),
        pytest.param(LOUD, "quiet", "mine", "can't be imported (AttributeError)", id="nothing of that name"),
        pytest.param(LOUD, "deaf", "mine", "has no made_from", id="no transform"),
    ],
)
def test_a_transform_that_can_not_be_used_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, target: str, name: str, says: str
) -> None:
    """With the group of entry points that it is to be in."""
    package(tmp_path, "mine", code, target)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    with pytest.raises(Refused) as caught:
        load_transform(name)

    assert says in caught.value.failure.detail
    assert "headrace.transforms" in caught.value.failure.remedy
