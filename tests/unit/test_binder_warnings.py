"""What a binding warns of, once: values that the source may have lost, and settings that are not heeded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import structlog

from consumer.core.modes import Mode
from consumer.core.target import TargetColumn
from consumer.core.types import ColumnPolicy
from tests.unit.avro import Writer, envelope, event, without_lsn
from tests.unit.bound import CHANGE, FIELDS, ORDERS, ROW, TABLE, Bound
from tests.unit.known import Topic

REPLACED = [{"type": "string", "connect.default": "w"}, "null"]


@pytest.mark.parametrize(
    ("field", "warned"),
    [
        pytest.param({"name": "odd", "type": REPLACED, "default": "w"}, ["odd"], id="a default on a column with nulls"),
        pytest.param({"name": "odd", "type": ["string", "null"], "default": ""}, ["odd"], id="an empty one"),
        pytest.param({"name": "odd", "type": ["null", "string"], "default": None}, [], id="null is the default"),
        pytest.param({"name": "odd", "type": "string", "default": "w"}, [], id="a column without nulls"),
    ],
)
def test_a_source_that_may_have_lost_nulls_is_warned_of_once(field: Mapping[str, Any], warned: list[str]) -> None:
    """Once a schema, with the columns."""
    topic = Topic([*FIELDS, field])
    bound = Bound(topic.binding.table)
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            bound.bind(topic.record("c", {**ROW, "odd": "w"}))
            bound.binder.forget(None)

    assert [line["columns"] for line in logs if line["log_level"] == "warning"] == ([warned] if warned else [])


@pytest.mark.parametrize("table_mode", [Mode.ROWS, Mode.APPEND])
@pytest.mark.parametrize(
    ("mode", "warned"), [("base64", [["raw"]]), ("base64-url-safe", [["raw"]]), ("hex", []), (None, [])]
)
def test_a_mode_that_loses_unchanged_bytes_is_warned_of_once(
    mode: Any, warned: list[list[str]], table_mode: Mode
) -> None:
    """PostgreSQL's connector writes its placeholder in the other modes, and null in these."""
    topic = Topic([*FIELDS, {"name": "raw", "type": ["null", "string"]}])
    bound = Bound(replace(TABLE, columns=(*TABLE.columns, TargetColumn(name="raw", type_name="text", cast="text"))))
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    bound.world.columns = {str(TABLE.name): {"raw": ColumnPolicy(binary=mode)}}
    bound.world.modes = {str(TABLE.name): table_mode}
    bound.start()
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            bound.bind(topic.record("c", {**ROW, "raw": None}))
            bound.binder.forget(None)

    assert [line["columns"] for line in logs if line["log_level"] == "warning"] == warned


@pytest.mark.parametrize(("postgres", "warned"), [(True, []), (False, [["word"]])])
def test_a_setting_that_is_not_heeded_is_warned_of_once(postgres: bool, warned: list[list[str]]) -> None:
    """What is said of doubtful nulls has no meaning for other databases, whose logs have whole rows."""
    bound = Bound()
    values = Writer(envelope(FIELDS) if postgres else without_lsn(envelope(FIELDS)))
    bound.world.schemas = {1: ORDERS.keys.text, 2: values.text}
    bound.world.columns = {str(TABLE.name): {"word": ColumnPolicy(doubtful_nulls="keep"), "id": ColumnPolicy()}}
    bound.start()
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            bound.bind((CHANGE[0], values.framed(2, event("c", None, ROW))))
            bound.binder.forget(None)

    said = [line for line in logs if line["log_level"] == "warning"]
    assert [line["columns"] for line in said] == warned
    assert all("doubtful_nulls" in line["event"] and "Remove it" in line["remedy"] for line in said)
