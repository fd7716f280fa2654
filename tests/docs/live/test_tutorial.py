"""The tutorial of a table of one's own, typed as it stands there."""

import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.stack.waiting import wait_until
from tests.docs.blocks import blocks
from tests.docs.live.scene import environment
from tests.docs.live.terminal import Said, Terminal

_PAGE = "docs/tutorial.md"
# what has set up the place of this test
_SETUP = "make setup"


def test_a_table_of_ones_own_flows(tmp_path: Path) -> None:
    """Every command ends well, and the rows are what the page says they are."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with closing(Terminal(tmp_path, environment())) as terminal:
        try:
            said = [_typed(terminal, each) for block in blocks(_PAGE) for each in block.commands if each != _SETUP]
        finally:
            terminal.run("headrace stack down")
    looks = [each.text for each in said if each.command.endswith('"SELECT name, price FROM shop.products"')]
    first, last = [
        {tuple(line.split(" | ")) for line in map(_tidy, look.splitlines()) if " | " in line} for look in looks
    ]
    head = ("name", "price")
    assert first == {head, ("kettle", "29.90"), ("cup", "4.20")}
    assert last == {head, ("kettle", "30.90"), ("cup", "5.20")}
    assert not (tmp_path / ".headrace" / "stack").exists()


def _tidy(line: str) -> str:
    return " | ".join(part.strip() for part in line.split("|"))


def _typed(terminal: Terminal, command: str) -> Said:
    said = terminal.run(command, 300)
    # whatever comes after one that failed tells of something else
    assert said.code == 0, said
    if command in _MOMENTS:
        # the page's moment is a person's; on a busy machine it may be longer
        assert wait_until(lambda: _MOMENTS[command](terminal), 120), command
    return said


def _captured(terminal: Terminal, records: int) -> bool:
    """Whether so many records are in the topic."""
    client = Consumer({"bootstrap.servers": terminal.run("echo $KAFKA").text, "group.id": "looks", "log_level": 0})
    try:
        if "shop.shop.products" not in client.list_topics(timeout=10).topics:
            return False
        return bool(client.get_watermark_offsets(TopicPartition("shop.shop.products", 0), 10)[1] >= records)
    except KafkaException:
        # it answers later
        return False
    finally:
        client.close()


def _applied(terminal: Terminal, records: int) -> bool:
    """Whether so many of them are in the target."""
    return terminal.run('psql "$TARGET_DSN" -Atc "SELECT next_offset FROM headrace.positions"').text == str(records)


# two rows are read; one changes, one is deleted, which makes two records, and one is new; two change
_MOMENTS: Mapping[str, Callable[[Terminal], bool]] = {
    "sleep 5": partial(_captured, records=2),
    "sleep 3": partial(_applied, records=6),
    "sleep 2": partial(_captured, records=8),
}
