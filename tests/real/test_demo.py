"""The demonstration proves itself on real servers, and sees harm that is done to the target."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from consumer.stack.demo import play
from consumer.stack.demo.load import Pace
from consumer.stack.demo.scene import Scene, real
from consumer.stack.progress import Terminal

_COMMAND = [sys.executable, "-m", "consumer", "demo", "--once", "--output", "json"]


def test_the_closed_scenario_ends_equal(tmp_path: Path) -> None:
    """A snapshot and mixed changes through Debezium: all rows compared and equal, every figure there, exit code 0."""
    words = [*_COMMAND, "--rows", "5000", "--changes", "2000", "--data-dir", str(tmp_path)]

    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["equal"] is True
    assert figures["rows_different"] == 0
    assert figures["rows_compared"] == sum(each["source"] for each in figures["tables"].values()) > 5000
    assert figures["snapshot_rows"] == 5000
    assert figures["changes"] >= 2000
    assert figures["events"] >= 7000
    assert figures["events_per_second"] > 0
    assert figures["max_commit_to_apply_ms"] >= figures["p99_commit_to_apply_ms"] > 0


def test_harm_to_the_target_is_found(tmp_path: Path) -> None:
    """One row changed, one removed and one too many, by SQL, before the comparison: three differences, not equal."""
    with _scene(tmp_path) as scene:
        report = play.once(scene, "real", lambda phase, sight: None, before_comparison=_harm)

    assert not report.equal
    assert report.compared["rows_different"] == 3
    tables = report.compared["tables"]
    assert [name for name, counts in tables.items() if counts["different"]] == ["customers", "products", "payments"]
    assert tables["products"]["target"] == tables["products"]["source"] - 1


@contextmanager
def _scene(directory: Path) -> Iterator[Scene]:
    pace = Pace(changes=300, rate=0, burst_rows=50, burst_every=100)
    with real(directory, 1_000, pace, Terminal(quiet_steps=True)) as scene:
        yield scene


def _harm(scene: Scene) -> None:
    with psycopg.connect(scene.line.target_dsn) as target:
        target.execute("UPDATE shop.customers SET balance = balance + 0.01 WHERE id = md5('customer2')::uuid")
        target.execute("DELETE FROM shop.products WHERE id = 3")
        target.execute(
            "INSERT INTO shop.payments (reference, order_id, method, amount, paid_at) VALUES"
            " ('PAY-X', 1, 'card', 1, now())"
        )
