"""The page about taking over from a JDBC sink, followed beside the real sink, stopped at offsets of its own."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from consumer.stack import loopback
from consumer.stack.connectors import delete_connector, jdbc_sink_config, register
from tests.docs.blocks import blocks
from tests.docs.live.following import placed
from tests.docs.live.scene import DEAD_OF_THE_SINK, Scene, environment
from tests.docs.live.terminal import Terminal
from tests.real.engine.worker import eventually

_PAGE = "docs/how-to/take-over-from-a-jdbc-sink.md"
_SINK, _TOPIC = "shop-sink", "shop.shop.products"
_ROWS = "SELECT id, name, price FROM shop.products ORDER BY id"


@dataclass(kw_only=True)
class Sink:
    """Debezium's, with its dead-letter topic; it writes into a database of this test's own."""

    scene: Scene
    dsn: str

    def run(self, **more: str) -> None:
        """With further settings."""
        config = {
            **jdbc_sink_config(self.dsn, [_TOPIC]),
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": DEAD_OF_THE_SINK,
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
            **more,
        }
        register(self.scene.at.connect_url, _SINK, config)

    def rows(self) -> list[tuple[object, ...]]:
        """Of the target."""
        with psycopg.connect(self.dsn) as session:
            return session.execute(_ROWS.encode()).fetchall()

    def committed(self) -> int:
        """The offset that the sink has committed, 0 before it has."""
        answer = loopback.request("GET", f"{self.scene.at.connect_url}/connectors/{_SINK}/offsets", 30).json()
        found = [each["offset"]["kafka_offset"] for each in answer.get("offsets", [])]
        return int(found[0]) if found else 0


@pytest.fixture
def sink(scene: Scene) -> Iterator[Sink]:
    """It has written the rows of the snapshot, and has left one that came later in its dead-letter topic."""
    with psycopg.connect(scene.at.target_dsn, autocommit=True) as session:
        session.execute("CREATE DATABASE replica")
    made = Sink(scene=scene, dsn=make_conninfo(scene.at.target_dsn, dbname="replica"))
    with psycopg.connect(made.dsn, autocommit=True) as session:
        session.execute("CREATE SCHEMA shop")
        session.execute("CREATE TABLE shop.products (id bigint PRIMARY KEY, name text, price numeric(10, 2))")
    made.run()
    eventually(lambda: made.rows() == source(scene), "the sink has written everything", 120)
    # of values that it takes for JSON it can read none
    made.run(**{"value.converter": "org.apache.kafka.connect.json.JsonConverter"})
    before = made.committed()
    scene.source("INSERT INTO shop.products (name, price) VALUES ('passed over', 1.00)")
    eventually(lambda: made.committed() > before, "the sink has passed the record", 120)
    yield made
    delete_connector(scene.at.connect_url, _SINK)


def source(scene: Scene) -> list[tuple[object, ...]]:
    """The rows as they should be."""
    with psycopg.connect(scene.at.source_dsn) as session:
        return session.execute(_ROWS.encode()).fetchall()


def test_it_goes_on_where_the_sink_was_stopped(scene: Scene, sink: Sink, tmp_path: Path) -> None:
    """Offsets, tables and what the sink left behind are taken over; rows are equal at the end."""
    settings = tmp_path / "headrace.toml"
    settings.write_text(
        f'[registry]\nurl = "{scene.at.registry_url}"\n[target]\ndsn = "{sink.dsn}"\n'
        f'[letters]\ndelays = [0.3, 0.6]\n[kafka.client]\n"session.timeout.ms" = "6000"\n'
    )
    places = {"CONNECT_URL": scene.at.connect_url, "TARGET_DSN": sink.dsn}
    begins, words = 0, {"shop-replica": "taken-over"}
    with closing(Terminal(tmp_path, environment(**places))) as terminal:
        for block in blocks(_PAGE):
            if block.language == "toml":
                begins = sink.committed()
                more = placed(block.text, words).replace(
                    "[kafka]\n", f'[kafka]\nbootstrap_servers = "{scene.at.kafka}"\n'
                )
                settings.write_text(more + settings.read_text())
                # a change of the row that the sink has passed over would bring all of it
                scene.source("UPDATE shop.products SET price = price + 1 WHERE id > 5 AND name <> 'passed over'")
                scene.source("DELETE FROM shop.products WHERE id = 1")
                scene.source("INSERT INTO shop.products (name, price) VALUES ('later', 2.00)")
                eventually(lambda: scene.ask("SELECT 1 FROM shop.products WHERE name = 'later'"), "it is in the topic")
            for command in block.commands:
                if command == "headrace run":
                    said = terminal.hold(command, "worker starts")
                elif command.startswith("headrace replay"):
                    # workers carry it out
                    said = terminal.run(command)
                    assert "passed over" not in str(sink.rows())
                    terminal.begin("headrace run")
                    eventually(lambda: sink.rows() == source(scene), "what the sink left behind is applied")
                    assert terminal.interrupt().code == 0
                else:
                    said = terminal.run(placed(command, words))
                assert said.code == 0, said
    with psycopg.connect(sink.dsn) as session:
        query = "SELECT min((r ->> 2)::bigint) FROM headrace.batches, jsonb_array_elements(ranges) r WHERE r ->> 0 = %s"
        assert session.execute(query.encode(), (_TOPIC,)).fetchone() == (begins,)
        assert begins > 0
    assert json.dumps(sink.rows(), default=str) == json.dumps(source(scene), default=str)
