"""The statement by which a position is set where no command is at hand, as its page has it."""

import re
from pathlib import Path

import psycopg

_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "set-a-position.md"
_GROUP, _TOPIC = "shop-replica", "shop.shop.products"


def test_a_table_that_is_set_back_is_not_said_to_be_complete(session: psycopg.Connection, group: str) -> None:
    """What was applied up to a moment is applied again."""
    (statement,) = re.findall(r"```sql\n(UPDATE headrace\.positions\n.*?)```", _PAGE.read_text(), re.DOTALL)
    session.execute(
        "INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch, changed_at) "
        "VALUES (%s, %s, 0, 5000, 1, now())",
        (group, _TOPIC),
    )
    session.execute("INSERT INTO headrace.target_tables VALUES (%s, 'shop.products', %s)", (group, _TOPIC))
    complete = "SELECT complete_to IS NULL FROM headrace.freshness WHERE group_name = %s"
    assert session.execute(complete, (group,)).fetchall() == [(False,)]
    session.execute(statement.replace(_GROUP, group).encode())
    position = "SELECT next_offset, epoch FROM headrace.positions WHERE group_name = %s"
    assert session.execute(position, (group,)).fetchall() == [(1200, 2)]
    assert session.execute(complete, (group,)).fetchall() == [(True,)]
