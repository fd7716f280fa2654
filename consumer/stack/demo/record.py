"""Records the events that `headrace demo --light` replays: `python -m consumer.stack.demo.record DIRECTORY`.

It plays the shop on the real stack without Headrace and keeps what Debezium wrote, with the rows that the source has
in the end: the expected result comes from the source's own PostgreSQL, not from this project's code.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import Message as Received
from psycopg import sql

from consumer.stack import loopback
from consumer.stack.demo import shop
from consumer.stack.demo.compare import SAME_TEXT, as_text, columns
from consumer.stack.demo.ends import Ends
from consumer.stack.demo.failures import late
from consumer.stack.demo.load import Pace
from consumer.stack.demo.recording import FILE, Expected, Message, Recording, save
from consumer.stack.demo.scene import Scene, real
from consumer.stack.demo.trouble import Plan
from consumer.stack.progress import Terminal
from consumer.stack.waiting import wait_until

_ROWS = 2_000
_PACE = Pace(changes=3_000, rate=0, burst_rows=150, burst_every=1_000)
_NO_TROUBLE = Plan(outage=0, pause=0, endless=False)
_SECONDS = 120.0
_MOST = 100_000


def main() -> None:
    """Records into the package's own file."""
    with real(Path(sys.argv[1]), _ROWS, _PACE, _NO_TROUBLE, Terminal()) as scene:
        recording = record(scene)
    save(recording, FILE)
    print(f"{len(recording.messages)} messages, {FILE.stat().st_size} bytes", file=sys.stderr)


def record(scene: Scene) -> Recording:
    """Plays the scene to its end and keeps everything."""
    scene.begin()
    seeded = {topic: scene.journal.total(topic) for topic in scene.line.topics.values()}
    _await(scene, "the snapshot")
    scene.feed.start()
    if not wait_until(lambda: scene.feed.finished, _SECONDS):
        raise late("the changes were not made", _SECONDS, "see the source")
    _await(scene, "the changes")
    messages = _messages(scene, seeded)
    numbers = {int.from_bytes(raw[1:5], "big") for each in messages for raw in (each.key, each.value) if raw}
    return Recording(
        changes=scene.feed.changes,
        messages=messages,
        schemas={number: _schema(scene, number) for number in numbers},
        expected=_expected(scene),
    )


def _await(scene: Scene, what: str) -> None:
    ends = Ends(scene.line.kafka)
    totals = {topic: scene.journal.total(topic) for topic in scene.line.topics.values()}
    if not wait_until(lambda: ends.look(totals) == totals, _SECONDS):
        raise late(f"{what} not in Kafka", _SECONDS, f"expected {totals}, found {ends.look(totals)}")


def _messages(scene: Scene, seeded: Mapping[str, int]) -> list[Message]:
    """All records in the order in which Kafka got them; the order within a topic is the topic's own."""
    consumer = Consumer({"bootstrap.servers": scene.line.kafka, "group.id": "demo-record"})
    consumer.assign([TopicPartition(topic, 0, 0) for topic in seeded])
    wanted = sum(scene.journal.total(topic) for topic in seeded)
    found: list[Received] = []
    deadline = time.monotonic() + _SECONDS
    while len(found) < wanted and time.monotonic() < deadline:
        found += consumer.consume(_MOST, timeout=1)
    consumer.close()
    ordered = sorted(found, key=lambda each: (each.timestamp()[1], str(each.topic()), int(each.offset() or 0)))
    return [
        Message(
            topic=str(each.topic()),
            key=each.key(),
            value=each.value(),
            snapshot=int(each.offset() or 0) < seeded[str(each.topic())],
        )
        for each in ordered
    ]


def _schema(scene: Scene, number: int) -> str:
    answer = loopback.request("GET", f"{scene.line.registry_url}/schemas/ids/{number}", 10).raise_for_status()
    return json.dumps(json.loads(answer.json()["schema"]), separators=(",", ":"))


def _expected(scene: Scene) -> list[Expected]:
    with psycopg.connect(scene.line.source_dsn) as source:
        for statement in SAME_TEXT:
            source.execute(statement.encode())
        return [_table(source, table) for table in shop.TABLES]


def _table(source: psycopg.Connection, table: str) -> Expected:
    names = columns(source, table)
    with source.cursor().copy(sql.SQL("COPY ({}) TO STDOUT").format(as_text(table, names))) as rows:
        return Expected(table=table, columns=names, rows=b"".join(bytes(chunk) for chunk in rows))


if __name__ == "__main__":
    main()
