"""Processes that begin as copies are processes of their own, and outlive no test."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.real.engine.nursery import nursery

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def program(directory: Path, text: str) -> list[str]:
    """What a copy is to become."""
    path = directory / "program.py"
    path.write_text(text)
    return [str(path), "a", "b"]


def test_it_has_words_environment_output_session_and_exit_code_of_its_own(tmp_path: Path) -> None:
    """As if it had been started by itself."""
    text = "import os, sys; print(sys.argv[1:], dict(os.environ), os.getsid(0) == os.getpid()); sys.exit(7)"
    log = tmp_path / "log"
    born = nursery().start(program(tmp_path, text), log, {"ONLY": "this"})

    assert born.wait(PATIENCE) == born.poll() == 7
    assert log.read_text() == "['a', 'b'] {'ONLY': 'this'} True\n"


def test_a_signal_ends_it_and_nothing_is_sent_afterwards(tmp_path: Path) -> None:
    """Its number may be another's by then."""
    born = nursery().start(program(tmp_path, "import signal; signal.pause()"), tmp_path / "log", os.environ)
    assert born.poll() is None
    born.send_signal(signal.SIGKILL)

    assert born.wait(PATIENCE) == -signal.SIGKILL
    born.send_signal(signal.SIGKILL)


_TESTS = """
import os, sys
from pathlib import Path
from tests.real.engine.nursery import nursery
print(nursery().start(sys.argv[2:], Path(sys.argv[1]), os.environ).pid, flush=True)
sys.stdin.read()
"""


def test_killed_tests_leave_nothing_behind(tmp_path: Path) -> None:
    """Neither copies nor the process that is copied."""
    words = program(tmp_path, "import signal; signal.pause()")
    command = [sys.executable, "-c", _TESTS, str(tmp_path / "log"), *words]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tests:
        assert tests.stdout is not None
        copy = psutil.Process(int(tests.stdout.readline()))
        copied = copy.parent()
        assert copied is not None
        tests.kill()
        _, alive = psutil.wait_procs([copy, copied], PATIENCE)

    assert not alive
