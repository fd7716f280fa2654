"""The demonstration proves itself on real servers."""

import json
import subprocess
import sys
from pathlib import Path

_COMMAND = [sys.executable, "-m", "consumer", "demo", "--once", "--output", "json"]


def test_the_closed_scenario_ends_equal(tmp_path: Path) -> None:
    """A snapshot and mixed changes through Debezium, with poison of every class and an outage of the target: all rows
    compared and equal, each bad record has its letter and no other one has, every figure there, exit code 0."""
    sizes = [f"--size={size}" for size in ("rows=5000", "changes=2000", "outage=2")]
    words = [*_COMMAND, *sizes, "--data-dir", str(tmp_path)]

    done = subprocess.run(words, capture_output=True, text=True, timeout=540, check=False)

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
    assert figures["max_commit_to_apply_with_outage_ms"] >= figures["max_commit_to_apply_ms"]
    assert figures["records_delayed_by_outage"] >= 0
    assert figures["poisoned"]["records"] == 2 * len(figures["poisoned"]["by_class"]) == 12
    assert figures["letters"]["by_state"] == {"applied": 2, "dead": 6, "superseded": 4}
    assert figures["letters"]["copies"]["headrace-demo.dlq"] == 8
    assert figures["letters"]["copies"]["headrace-demo.retry.1"] >= 2
    assert figures["letters"]["not_as_meant"] == figures["letters"]["of_other_records"] == 0
    assert figures["outage"]["happened"] is True
    assert figures["outage"]["seconds"] >= 2
    assert figures["outage"]["applied_again_after"] >= 0
