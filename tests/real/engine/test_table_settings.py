"""What settings say of topics and tables, by a worker: checks, mapping, and a contract."""

import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers

KEY = "0123456789abcdef"


def test_rows_are_checked_and_mapped(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """In a table that is made so; a letter is superseded by its row's next image, and the log has no key of hashes."""
    feed = fresh_feed("mapped", 1)
    table = 'tables."public.mapped"'
    job = Job(
        at=at,
        dsn=target.dsn,
        group=fresh_name("mapped"),
        topics=(feed.topic,),
        sections={
            "secrets": {"hash_key": KEY},
            f"{table}.columns.id": {"rename": "number"},
            f"{table}.columns.label": {"hash": True},
            f"{table}.constants": {"origin": "shop"},
            f"{table}.checks.amount": {"min": 0},
        },
    )
    for key in range(1, 31):
        feed.send("c", key, f"label {key}", -1 if key in (7, 8) else key)
    feed.send("d", 9)
    feed.flush()
    worker = workers.run(job, "--until-current")
    assert worker.finish() == 0
    assert "2 letters are open" in worker.text()
    feed.send("u", 7, "right", 7)
    feed.flush()
    workers.run(job, "--until-current").finish()

    labels = {key: f"label {key}" for key in range(1, 31) if key not in (8, 9)} | {7: "right"}
    expected = [
        (key, hmac.new(KEY.encode(), label.encode(), "sha256").hexdigest(), key, "shop")
        for key, label in sorted(labels.items())
    ]
    assert target.ask("SELECT number, label, amount, origin FROM mapped ORDER BY number") == expected
    found = target.ask(
        "SELECT state, kind, table_name FROM headrace.letters WHERE group_name = %s ORDER BY id", job.group
    )
    assert found == [(state, "record.checks", "public.mapped") for state in ("superseded", "dead")]
    assert KEY not in worker.text()


def row(*fields: dict[str, Any]) -> str:
    """A contract about the row."""
    return json.dumps({"type": "record", "name": "Value", "fields": list(fields)})


@pytest.mark.provokes("table.contract")
def test_a_topic_stops_in_front_of_a_schema_that_breaks_its_contract(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed], tmp_path: Path
) -> None:
    """No table is made; once the contract is changed, the same records are applied."""
    feed = fresh_feed("pinned", 1)
    feed.send("c", 1, "label", 1)
    feed.flush()
    contract = tmp_path / "pinned.avsc"
    contract.write_text(row({"name": "id", "type": "long"}, {"name": "amount", "type": "string"}))
    topic = f"topics.{json.dumps(feed.topic)}"
    sections = {topic: {"contract": str(contract)}}
    job = Job(at=at, dsn=target.dsn, group=fresh_name("pinned"), topics=(feed.topic,), sections=sections)

    assert workers.run(job, "--until-current").finish() == 5
    (stopped,) = target.stopped(job.group).values()
    assert stopped["kind"] == "table.contract"
    assert "after.amount: expected string, found int" in stopped["detail"]
    assert target.ask("SELECT to_regclass('public.pinned')") == [(None,)]
    contract.write_text(row({"name": "id", "type": "long"}, {"name": "amount", "type": "long"}))
    workers.until_current(job)
    assert target.rows("pinned") == {1: ("label", 1)}
