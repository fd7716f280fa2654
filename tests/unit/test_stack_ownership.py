"""Processes of a stack are known again whatever happened to the clock."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from consumer.stack import ownership
from consumer.stack.birth import birth
from consumer.stack.layout import Layout, State, load, save


def _layout(directory: Path, supervisor: tuple[int, str | float]) -> Layout:
    layout = Layout(directory)
    save(layout, State(password="", supervisor=supervisor))
    return layout


def _boot_time_moves(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a step of the clock: the kernel tells another second for its boot, and all else stays."""
    for place in Path("/proc").iterdir():
        if place.name != "stat":
            (directory / place.name).symlink_to(place)
    lines = Path("/proc/stat").read_text().splitlines()
    moved = [f"btime {int(line.split()[1]) + 3600}" if line.startswith("btime") else line for line in lines]
    (directory / "stat").write_text("\n".join(moved))
    before = psutil.boot_time()
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(directory))
    assert psutil.boot_time() == before + 3600


def test_an_owner_stays_when_the_clock_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`down` still finds whom to end."""
    layout = _layout(tmp_path, (os.getpid(), birth(os.getpid())))
    (tmp_path / "proc").mkdir()
    _boot_time_moves(tmp_path / "proc", monkeypatch)
    assert ownership.owner(layout) == os.getpid()


def test_another_process_with_the_same_id_is_no_owner(tmp_path: Path) -> None:
    """Neither one that began later, nor one of another boot."""
    boot, ticks = birth(os.getpid()).split("/")
    for began in (f"{boot}/{int(ticks) - 1}", f"another-boot/{ticks}"):
        assert ownership.owner(_layout(tmp_path, (os.getpid(), began))) is None


def test_a_process_that_has_ended_is_no_owner(tmp_path: Path) -> None:
    """Not while nobody has waited for it, and not when it is gone."""
    with subprocess.Popen(["true"]) as process:
        layout = _layout(tmp_path, (process.pid, birth(process.pid)))
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert ownership.owner(layout) is None
    assert ownership.owner(layout) is None


def test_an_owner_of_an_earlier_version_is_known(tmp_path: Path) -> None:
    """It wrote the time of day at which it began."""
    layout = _layout(tmp_path, (os.getpid(), psutil.Process().create_time()))
    assert load(layout) is not None
    assert ownership.owner(layout) == os.getpid()
