"""The demo's view on terminals of many sizes: whole numbers, whole panels, and always the way out."""

import re
from collections.abc import Mapping
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from consumer.stack.demo.latency import Latency
from consumer.stack.demo.letters import Letters
from consumer.stack.demo.target import Absence
from consumer.stack.demo.view import View, shown_on
from consumer.stack.demo.watch import Batch, Sight, Topic

# of it only what the view shows
SCENE: Any = SimpleNamespace(
    title="a shop in PostgreSQL, streamed by Debezium, applied by Headrace",
    line=SimpleNamespace(source_dsn="host=x", log="/tmp/demo/headrace.log"),
    feed=SimpleNamespace(changes=9_999_999),
    trouble=SimpleNamespace(poisoned=[1] * 12_345),
)
WEB: Any = SimpleNamespace(address="http://127.0.0.1:8470")
STATES = ("applied", "dead", "discarded", "held", "replaying", "retrying", "superseded")
KINDS = ("behind", "check", "decode", "framing", "schema_unknown", "unique")
SIZES = [
    (80, 24),
    (80, 50),
    (100, 30),
    (120, 24),
    (120, 30),
    (120, 34),
    (200, 25),
    (119, 38),
    (120, 38),
    (130, 38),
    (200, 60),
]


def sight(count: int, rate: float) -> Sight:
    """All of it as large; half is applied."""
    topic = Topic(
        table="order_lines", committed=count, ended=count, applied=count // 2, behind=3599.9, rates=(rate,) * 8
    )
    letters: Mapping[tuple[str, str], int] = {
        (state, f"record.{kind}"): 160 for state, kind in zip(STATES, (*KINDS, "unique"), strict=True)
    }
    return Sight(
        topics=(topic,) * 5,
        batches=tuple(
            Batch(id=count + number, records=10_500, topics=5, stage=0.0123, apply=1.2345, at=0.0)
            for number in range(16)
        ),
        batch_count=count,
        rates=(rate,) * 8,
        source_rates=(rate,) * 8,
        latency=Latency(p50=1.0, p99=9.999, longest=9.999, delayed=9_999, longest_of_all=125.0),
        slot_bytes=999_000_000,
        letters=Letters(letters),
        copies={"headrace-demo.retry.1": 9_999, "headrace-demo.retry.2": 999, "headrace-demo.dlq": 99_999},
        absence=Absence(since=0.0, until=12.0, applied=13.0),
    )


def shown(width: int, height: int, count: int = 999_499, rate: float = 0.0, web: Any = WEB) -> list[str]:
    """The rows of such a terminal."""
    view = View(SCENE, web)
    view.show("streaming", sight(count, rate or count / 3))
    written = StringIO()
    Console(width=width, height=height, file=written).print(view)
    return written.getvalue().removesuffix("\n").split("\n")


@pytest.mark.parametrize("count", [9_999, 999_499, 99_999_999])
def test_no_number_is_cut_at_80_columns(count: int) -> None:
    """Large ones are shortened; none ends in the middle of its word."""
    rows = shown(80, 24, count)
    text = "\n".join(rows)
    assert "…" not in text
    for word in ("changes", "to read", "999 MB of WAL", "waiting", "records", "batches", "applied", "behind"):
        assert word in text, word
    # the source's and the worker's
    assert len(re.findall(r"[0-9kM]/s +│", text)) == 2


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_way_out_and_the_figures_are_on_terminals_of_every_size(width: int, height: int) -> None:
    """How to end it and where the console is stand in the last row; latency and a batch somewhere above."""
    rows = shown(width, height)
    text = "\n".join(rows)

    assert len(rows) == height
    assert max(map(len, rows)) <= width
    assert rows[-1].rstrip().split("   ")[:2] == [
        "Ctrl-C ends everything",
        "first dead letter: http://127.0.0.1:8470/guide",
    ]
    assert re.search(r"p50 +1,000 ms", text)
    assert re.search(r"p99 +9,999 ms", text)
    assert "10,500" in text


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_is_cut_in_the_middle(width: int, height: int) -> None:
    """Each panel that begins has its end, and no word has an ellipsis; after hours numbers are long."""
    rows = shown(width, height, 9_999_999, rate=99_999)
    text = "\n".join(rows)

    assert "…" not in text
    assert text.count("╭") == text.count("╰") == text.count("╮") == text.count("╯")
    assert all(state in text or "more" in text for state in STATES)


def test_a_tall_narrow_terminal_has_the_batches() -> None:
    """There is room for them below the letters."""
    assert sum("10,500" in row for row in shown(80, 50) if row.startswith("│")) == 16


@pytest.mark.parametrize(("width", "height"), [(80, 23), (80, 18), (120, 20), (80, 12)])
def test_a_low_terminal_has_fewer_panels_and_still_the_way_out(width: int, height: int) -> None:
    """What has no room is left out as a whole."""
    rows = shown(width, height)
    assert len(rows) == height
    assert rows[-1].startswith("Ctrl-C ends everything")
    assert "p99" in "\n".join(rows)


def test_no_address_is_shown_before_the_console_has_it() -> None:
    """Somebody else may answer there; without a console nothing is said of one."""
    assert "the console starts" in shown(80, 24, web=SimpleNamespace(address=None))[-1]
    assert "console" not in shown(80, 24, web=None)[-1]


class Terminal(StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


def test_it_is_shown_on_terminals_that_can_show_it() -> None:
    """A dumb one can't, and a file is none, whatever is said of colours."""
    assert shown_on(Console(file=Terminal(), _environ={"TERM": "xterm-256color"}))
    assert not shown_on(Console(file=Terminal(), _environ={"TERM": "dumb"}))
    assert not shown_on(Console(file=StringIO(), _environ={"TERM": "xterm-256color", "FORCE_COLOR": "1"}))
