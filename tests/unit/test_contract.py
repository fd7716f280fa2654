"""Contracts: writer schemas are held to a pinned one in front of everything else."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.contract import Compatibility, Contract, violations
from consumer.core.failure import Failure, Refused
from consumer.core.runs import runs
from consumer.edges.contracts import read_contract
from consumer.planning.planner import BadRecord
from consumer.ports.topics import Traits
from tests.unit.known import AT, Topic, slice_of
from tests.unit.semantic import CONNECT
from tests.unit.world import World

Field = Mapping[str, Any]
ID: Field = {"name": "id", "type": "long"}
NOTE: Field = {"name": "note", "type": "string"}
MAYBE: Field = {"name": "note", "type": ["null", "string"], "default": None}
COUNT: Field = {"name": "count", "type": "int"}
PLACED: Field = {"name": "placed", "type": {"type": "int", "connect.name": "io.debezium.time.Date"}}
VALUES: Mapping[str, Any] = {"id": 1, "note": "sesame", "count": 2, "placed": 3}


def row(*fields: Field) -> dict[str, Any]:
    """A contract about the row."""
    return {"type": "record", "name": "Value", "fields": list(fields)}


def bound(
    fields: Sequence[Field], contract: Mapping[str, Any], compatibility: Compatibility
) -> tuple[World, Failure | None]:
    """What becomes of a record of such a row, in a world without a table."""
    topic = Topic(fields)
    world = World({1: topic.keys.text, 2: topic.values.text}, lambda name: None)
    world.topics[AT.topic] = Traits(compacted=False, partitions=1)
    world.contracts[AT.topic] = Contract(name="orders.avsc", schema=contract, compatibility=compatibility)
    (run,) = runs(slice_of([topic.record("c", {field["name"]: VALUES[field["name"]] for field in fields})]))
    try:
        world.binder(KnownBindings()).bind({BindingKey(AT.topic, run.key_frame, run.value_frame): run})
    except BadRecord as bad:
        return world, bad.failure
    return world, None


@pytest.mark.provokes("table.contract")
@pytest.mark.parametrize(
    ("written", "agreed", "refused"),
    [
        pytest.param([ID, NOTE], [ID, NOTE], {}, id="the same"),
        pytest.param([ID, NOTE], [ID], {"backward": "after.note: expected no such field, or one"}, id="a column more"),
        pytest.param([ID, MAYBE], [ID], {}, id="a column more, with a default"),
        pytest.param([ID], [ID, NOTE], {"forward": "after.note: expected string, found no such field"}, id="one less"),
        pytest.param([ID], [ID, MAYBE], {}, id="one less, with a default"),
        pytest.param(
            [ID, MAYBE], [ID, NOTE], {"forward": "after.note: expected string, found null"}, id="null allowed"
        ),
        pytest.param(
            [ID, NOTE], [ID, MAYBE], {"backward": "after.note: expected null, found string"}, id="null refused"
        ),
        pytest.param(
            [ID, COUNT],
            [ID, {"name": "count", "type": "long"}],
            {"backward": "after.count: expected long, found int"},
            id="narrower",
        ),
        pytest.param(
            [ID, COUNT],
            [ID, {**PLACED, "name": "count"}],
            {"forward": "after.count: expected io.debezium.time.Date, found int without a name"},
            id="another meaning",
        ),
    ],
)
def test_a_schema_that_does_not_fit_stops_its_topic(
    written: Sequence[Field], agreed: Sequence[Field], refused: Mapping[str, str]
) -> None:
    """Before a table is named, claimed or made; what is full is both."""
    told = {**refused, "full": next(iter(refused.values()))} if refused else {}
    for compatibility in ("forward", "backward", "full", "none"):
        world, failure = bound(written, row(*agreed), compatibility)
        if compatibility not in told:
            assert failure is None
            continue
        assert failure is not None
        assert failure.kind == "table.contract"
        assert told[compatibility] in failure.detail
        assert f"(contract orders.avsc, {compatibility})" in failure.detail
        assert "sesame" not in str(failure)
        assert world.claims == {}
        assert world.made == {}


def test_all_that_does_not_fit_is_counted() -> None:
    """One is told, which is mostly enough to know why."""
    _, failure = bound([ID], row(ID, NOTE, COUNT, PLACED), "forward")

    assert failure is not None
    assert ", and 2 more (contract" in failure.detail


def test_a_contract_about_the_envelope_is_held_to_all_of_it() -> None:
    """It has the envelope's own fields."""
    envelope = {
        "type": "record",
        "name": "Envelope",
        "fields": [
            {"name": "op", "type": "string"},
            {"name": "after", "type": ["null", row(ID, COUNT)]},
            {"name": "ts_ns", "type": "long"},
        ],
    }
    _, failure = bound([ID, COUNT], envelope, "forward")
    assert failure is not None
    assert "ts_ns: expected long, found no such field (contract" in failure.detail
    assert ": ts_ns" in failure.detail

    envelope["fields"] = envelope["fields"][:2]
    assert bound([ID, COUNT], envelope, "forward")[1] is None


def test_decimals_are_held_to_their_scale_by_the_registrys_own_schema() -> None:
    """Of a contract that was cut out of it, whole or with the logical type alone."""
    text = (Path(__file__).parents[2] / "schemas" / "examples" / "customers-value.avsc").read_text(encoding="utf-8")
    taken = json.loads(text)
    assert violations(Contract(name="c", schema=taken, compatibility="full"), text) == []

    changed = text.replace('"scale": 2,', '"scale": 4,')
    assert changed != text
    for contract in (taken, json.loads(text.replace(f'"connect.name": "{CONNECT}Decimal",', ""))):
        assert violations(Contract(name="c", schema=contract), text) == []
        found = violations(Contract(name="c", schema=contract), changed)
        assert [str(each).partition(":")[2] for each in found] == [
            " expected decimal(12,2), found decimal(12,4)"
        ] * len(found)
        assert found


def test_what_need_not_fit_is_logged() -> None:
    """By field, and nothing stops."""
    with structlog.testing.capture_logs() as logs:
        _, failure = bound([ID], row(ID, NOTE), "none")

    assert failure is None
    assert [line["found"] for line in logs] == ["after.note: expected string, found no such field"]


@pytest.mark.provokes("worker.settings")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(None, "can't be read", id="no file"),
        pytest.param("{", "no Avro schema", id="no JSON"),
        pytest.param(
            '{"type": "record", "name": "a", "fields": [{"name": "b", "type": "c"}]}', "no Avro", id="undefined"
        ),
        pytest.param('{"type": "record", "name": "a"}', "no record with fields", id="no fields"),
        pytest.param('"string"', "no record", id="no record"),
    ],
)
def test_a_file_that_is_no_contract_is_refused_at_the_start(tmp_path: Path, text: str | None, says: str) -> None:
    """With its name."""
    file = tmp_path / "orders.avsc"
    if text is not None:
        file.write_text(text)
    with pytest.raises(Refused) as caught:
        read_contract(file, "full")

    assert says in caught.value.failure.detail
    assert str(file) in caught.value.failure.detail
    file.write_text(json.dumps(row(ID)))
    assert read_contract(file, "full") == Contract(name=str(file), schema=row(ID), compatibility="full")
