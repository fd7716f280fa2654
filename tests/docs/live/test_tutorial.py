"""The tutorial of a table of one's own, typed as it stands there."""

import sys
from contextlib import closing
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

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
    assert [each for each in said if each.code != 0] == []
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
    if command.startswith("sleep "):
        # the page's moment is a person's; on a busy machine it may be longer
        assert wait_until(lambda: _quiet(terminal), 60)
    return said


def _quiet(terminal: Terminal) -> bool:
    """Whether all that the source has changed is in the topic."""
    kafka = terminal.run("echo $KAFKA").text
    client = Consumer({"bootstrap.servers": kafka, "group.id": "looks", "log_level": 0})
    try:
        if "shop.shop.products" not in client.list_topics(timeout=10).topics:
            return False
        end = client.get_watermark_offsets(TopicPartition("shop.shop.products", 0), 10)[1]
    finally:
        client.close()
    slot = terminal.run(
        'psql "$SOURCE_DSN" -Atc "SELECT confirmed_flush_lsn >= pg_current_wal_flush_lsn() FROM pg_replication_slots"'
    )
    return end >= 2 or slot.text == "t"
