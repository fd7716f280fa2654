"""The demonstration proves itself on real servers."""

import json
import subprocess
import sys
from pathlib import Path

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
