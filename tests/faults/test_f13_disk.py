"""F13: the disk of the target's table is full, and is given room again. Where no small disk can be mounted the test is
skipped and says it.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.engine.witness import Target
from tests.real.engine.worker import STEADY

from .disk import fill, on_a_small_disk
from .trial import Trial


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Target]:
    """A target of its own whose table `once` is on a disk of eight megabytes."""
    with (
        tempfile.TemporaryDirectory(prefix="headrace-disk-") as place,
        on_a_small_disk(tmp_path / "full", Path(place)) as target,
    ):
        yield target


@pytest.mark.short
def test_f13_the_disk_is_full(trial: Trial, small_disk: Target) -> None:
    """It is waited for; when there is room again, everything goes on by itself, and no record has become a letter."""
    trial.on(small_disk)
    trial.vary(client=STEADY)
    once = trial.feed("once")
    once.create(trial.chance.randrange(50, 300))
    worker = trial.run()
    trial.recovers()
    fill(small_disk)
    once.create(2000)
    worker.said("waiting", 5)
    assert {(line["kind"], line["code"]) for line in worker.lines("waiting")} == {("target.resources", "53100")}
    assert not trial.oracle.reached()
    small_disk.do("DROP TABLE filler")
    trial.over()
    trial.recovers(120)
    assert worker.lines("partitions lost") == []
    assert "resources back" in {line["act"] for line in worker.lines("healed")}
    trial.verify()
