"""Java programs start from archives of the classes that they load, and without them when there are none that fit."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from consumer.stack import classes, java
from consumer.stack.artifacts import Artifacts
from consumer.stack.cache import cache_dir
from consumer.stack.options import KAFKA, REGISTRY
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from consumer.stack.waiting import wait_until

Fresh = Callable[..., Stack]
_USED = "-XX:AOTCache="


def _words(stack: Stack, name: str) -> list[str]:
    return psutil.Process(stack.pid(name)).cmdline()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one's own, with all downloads in it and no archive."""
    Artifacts(Terminal()).fetch(["kafka", "registry", "apicurio-converter", "debezium-postgres"])
    place = tmp_path / "cache"
    place.mkdir()
    for name in ("maven", "unpacked"):
        (place / name).symlink_to(cache_dir() / name)
    monkeypatch.setenv("HEADRACE_CACHE", str(place))
    return place


def test_programs_start_from_the_archives_of_their_classes(fresh_stack: Fresh) -> None:
    """Java finds nothing wrong with them."""
    assert classes.archive(Terminal(quiet_steps=True)) == ("connect", "kafka", "registry")
    stack = fresh_stack(frozenset({KAFKA, REGISTRY}))
    for name in (KAFKA, REGISTRY):
        assert f"{_USED}{java.archives() / name}.aot" in _words(stack, name)
        assert "[aot" not in stack.logs(name, 1_000)


def test_an_archive_that_does_not_fit_is_not_used(fresh_stack: Fresh, cache: Path) -> None:
    """The program starts as it does without one, and its log says so."""
    place = java.archives()
    assert place.is_relative_to(cache)
    place.mkdir(parents=True)
    (place / "registry.aot").write_bytes(b"cut")
    stack = fresh_stack(frozenset({REGISTRY}))
    assert f"{_USED}{place / 'registry.aot'}" in _words(stack, REGISTRY)
    assert "[aot" in stack.logs(REGISTRY, 1_000)


def test_a_killed_preparation_leaves_no_archive_and_nothing_running(fresh_stack: Fresh, cache: Path) -> None:
    """The next start is one without, the next preparation begins anew."""
    program = "from consumer.__main__ import main; main()"
    preparing = subprocess.Popen([sys.executable, "-c", program, "stack", "prepare"], env=dict(os.environ))
    log = cache / ".classes" / "stack" / "logs" / "registry.log"
    assert wait_until(log.exists, 60)
    preparing.send_signal(signal.SIGKILL)
    preparing.wait(10)
    assert wait_until(lambda: not _running(cache / ".classes"), 60)
    assert not java.archives().exists()
    stack = fresh_stack(frozenset({REGISTRY}))
    assert not [word for word in _words(stack, REGISTRY) if word.startswith(_USED)]


def _running(place: Path) -> list[int]:
    """The programs that were started with something of this directory."""
    return [each.pid for each in psutil.process_iter(["cmdline"]) if str(place) in " ".join(each.info["cmdline"] or [])]
