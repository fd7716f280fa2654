"""A start that is broken off early leaves what it found: an earlier stack's password, ports and parts."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consumer.core.failure import Persistent
from consumer.stack import ownership, postgres
from consumer.stack.account import unprivileged_user
from consumer.stack.layout import Layout, State, save
from consumer.stack.options import TARGET
from consumer.stack.stack import Stack
from consumer.stack.waiting import wait_until


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A directory in which there was a stack."""
    place = Layout(tmp_path / "stack")
    ownership.make(place)
    save(place, State(password="of the cluster", ports={TARGET: 20_000}, parts=[TARGET]))
    return place


@contextmanager
def _leftover(layout: Layout) -> Iterator[None]:
    """A program of ours that works in the directory and does not end by itself: a sweep gives it seconds."""
    program = postgres.programs(unprivileged_user()) / "bin" / "pg_isready"
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        words = [program, "-h", "127.0.0.1", "-p", str(silent.getsockname()[1]), "-t", "60"]
        with subprocess.Popen(words, cwd=layout.part(TARGET), stdout=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.kill()


def test_ctrl_c_while_leftovers_are_ended_keeps_the_state(layout: Layout) -> None:
    """The next start finds the password that the cluster was made with."""
    before = layout.state.read_bytes()
    command = [sys.executable, "-m", "consumer", "stack", "up", "--part", TARGET, "--data-dir", str(layout.root)]
    with _leftover(layout), subprocess.Popen(command, stderr=subprocess.DEVNULL) as start:
        assert wait_until(lambda: not ownership.is_free(layout), 60)
        start.send_signal(signal.SIGINT)
        assert start.wait(60) == 1
    assert layout.state.read_bytes() == before


def test_a_state_of_another_format_is_left_as_it_is(layout: Layout) -> None:
    """The start is refused, and so is the next: the version that wrote it can still use it."""
    stored = json.loads(layout.state.read_text()) | {"format": 99}
    layout.state.write_text(json.dumps(stored))
    for _ in range(2):
        with pytest.raises(Persistent, match="another format"):
            Stack.open(layout.root, {TARGET})
    assert json.loads(layout.state.read_text()) == stored
