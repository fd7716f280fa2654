"""What a worker may hold of its container's memory."""

import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from consumer.binding.known import KnownBindings
from consumer.composition.engine import MIB, sharing
from consumer.composition.reloading import Reloading
from consumer.core.failure import Refused
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.memory import limit, resident, shared
from consumer.ports.facts import untold
from consumer.reading.handover import Handover
from consumer.settings.loading import Settings
from consumer.supervisor import Bound, Child, Start, memory_of_each
from consumer.worker import OK


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["max\n"], None),
        ([], None),
        (["4096000000\n"], 4_096_000_000),
        (["max\n", "4096000000"], 4_096_000_000),
        (["9223372036854771712"], None),
    ],
)
def test_the_container_says_its_limit_in_either_form(tmp_path: Path, texts: list[str], expected: int | None) -> None:
    """Where there is none nothing is bounded."""
    files = [tmp_path / str(number) for number in range(2)]
    for file, text in zip(files, texts, strict=False):
        file.write_text(text)
    assert limit(files) == expected


def test_workers_share_what_their_supervisor_leaves_of_it(tmp_path: Path) -> None:
    """Together they are no more than the kernel lets them be."""
    file = tmp_path / "memory.max"
    file.write_text("4096000000")
    own, part = resident(), shared(4, [file])
    assert own is not None
    assert part is not None
    assert 0.9 * (4_096_000_000 - own) < 4 * part <= 4_096_000_000 - 0.5 * own
    file.write_text("max")
    assert shared(4, [file]) is None


def settings_of(memory_mb: int | None) -> Settings:
    """With or without a bound."""
    said = {
        "kafka": {"bootstrap_servers": "here:1", "group": "g", "topics": ["t"]},
        "registry": {"url": "http://here:2"},
        "target": {"dsn": "host=here"},
        "worker": {"memory_mb": memory_mb},
    }
    return Settings.model_validate(said)


@pytest.mark.parametrize(
    ("set_to", "share", "expected"),
    [(None, 900 * MIB + 1, "900"), (None, 256 * MIB, "256"), (None, None, None), (700, 5 * MIB, None)],
)
def test_each_worker_is_started_with_its_part_unless_the_settings_say_more(
    set_to: int | None, share: int | None, expected: str | None
) -> None:
    """As a setting, so that it is told and bounded like any."""
    assert memory_of_each(settings_of(set_to), share).get("HEADRACE_WORKER__MEMORY_MB") == expected


def test_so_many_workers_that_none_could_work_are_refused() -> None:
    """What they hold at rest would be too much already, so that they would do nothing but take turns."""
    with pytest.raises(Refused, match="each worker would have 255 MB") as caught:
        memory_of_each(settings_of(None), 256 * MIB - 1)
    assert "Start fewer workers" in caught.value.failure.remedy
    with pytest.raises(ValidationError):
        settings_of(255)


def test_a_worker_is_measured_by_that_part() -> None:
    """And has it in its environment."""
    own = resident()
    assert own is not None
    settings = settings_of(own * 4 // MIB)
    reloading, target = Reloading(settings, lambda: settings), CircuitBreaker("target")
    wanted = sharing(reloading, KnownBindings(1), target, Handover(max_bytes=1, max_batches=1))
    assert wanted.signals().memory == pytest.approx(0.25, rel=0.3)


def test_a_child_has_the_variables_that_it_is_started_with(tmp_path: Path) -> None:
    """Beside those of this process."""
    path = tmp_path / "said"
    script = f"import os; open({str(path)!r}, 'w').write(os.environ['PATH'] and os.environ['MORE'])"
    child = Child(Start([sys.executable, "-c", script], variables={"MORE": "42"}), Bound(5, 60.0), untold)
    child.tend(time.monotonic())
    assert child.wait(30) == OK
    assert path.read_text() == "42"
