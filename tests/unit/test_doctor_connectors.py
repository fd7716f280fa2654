"""What `headrace doctor` makes of Connect's connectors."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from consumer.core.connectors import Connector, Task
from consumer.core.doctor import connectors
from tests.unit.findings import told

RUNS = Connector(name="c", kind="source", state="RUNNING", tasks=(Task(id=0, state="RUNNING"),),
                 topics=frozenset({"orders"}))  # fmt: skip
FAILED = replace(RUNS, tasks=(Task(id=0, state="FAILED"),))


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (None, {}),
        ([RUNS], {}),
        ([FAILED], {"connect.connectors": "fail"}),
        ([replace(FAILED, topics=frozenset())], {"connect.connectors": "fail"}),
        ([replace(FAILED, topics=frozenset({"other"}))], {"connect.connectors": "warn"}),
        ([replace(FAILED, kind="sink")], {"connect.connectors": "warn"}),
        ([replace(RUNS, state="PAUSED")], {"connect.connectors": "warn"}),
        ([replace(RUNS, key_columns="shop.orders:number")], {"connect.key_columns": "warn"}),
        ([replace(RUNS, key_columns="shop.orders:number", topics=frozenset())], {"connect.key_columns": "warn"}),
        ([replace(RUNS, key_columns="shop.orders:number", topics=frozenset({"other"}))], {}),
    ],
)
def test_connectors(found: Sequence[Connector] | None, wanted: dict[str, str]) -> None:
    """Those of our topics weigh more."""
    assert told(connectors.connectors(found, ["orders"])) == wanted


def test_columns_of_keys_are_named() -> None:
    """With what the source has to be told."""
    (found,) = (
        one
        for one in connectors.connectors([replace(RUNS, key_columns="shop.orders:number")], ["orders"])
        if one.check == "connect.key_columns"
    )
    assert "shop.orders:number" in found.detail
    assert "REPLICA IDENTITY FULL" in found.remedy
