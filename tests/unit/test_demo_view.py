"""The demo's view on a small terminal: whole numbers, however large they get."""

import re
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from consumer.stack.demo.letters import Letters
from consumer.stack.demo.view import View
from consumer.stack.demo.watch import Sight, Topic

# of it only what the view shows
SCENE: Any = SimpleNamespace(
    title="a shop",
    line=SimpleNamespace(source_dsn="host=x", log="/tmp/demo/headrace.log", console="http://127.0.0.1:8470"),
    feed=SimpleNamespace(changes=9_999_999),
    trouble=SimpleNamespace(poisoned=[1] * 12_345, endless=True),
)


def sight(count: int, rate: float) -> Sight:
    """All of it as large; half is applied."""
    topic = Topic(
        table="order_lines", committed=count, ended=count, applied=count // 2, behind=3599.9, rates=(rate,) * 8
    )
    return Sight(
        topics=(topic,) * 5,
        batches=(),
        batch_count=count,
        rates=(rate,) * 8,
        source_rates=(rate,) * 8,
        p50=1.0,
        p99=2.0,
        slot_bytes=999_000_000,
        letters=Letters({("dead", "record.checks"): 9_999, ("retrying", "record.value"): 999}),
        copies={},
        absence=None,
    )


@pytest.mark.parametrize("count", [9_999, 999_499, 99_999_999])
def test_no_number_is_cut_at_80_columns(count: int) -> None:
    """Large ones are shortened; none ends in the middle of its word."""
    view = View(SCENE)
    view.show("streaming", sight(count, count / 3))
    written = StringIO()
    Console(width=80, height=24, file=written).print(view)
    text = written.getvalue()
    assert "…" not in text.split("Ctrl-C")[0]
    for word in ("changes", "to read", "999 MB of WAL", "waiting", "records", "batches", "applied", "behind"):
        assert word in text, word
    assert text.rstrip().splitlines()[-1].split("   ")[:2] == [
        "Ctrl-C ends everything",
        "first dead letter: http://127.0.0.1:8470/guide",
    ]
    # the source's and the worker's
    assert len(re.findall(r"[0-9kM]/s +│", text)) == 2
