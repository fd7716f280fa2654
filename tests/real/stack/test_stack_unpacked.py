"""What was unpacked in the cache is used as it came, or is unpacked anew."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.stack.artifacts import Artifacts
from consumer.stack.cache import cache_dir
from consumer.stack.progress import Terminal

_SERVICES = {"org.example.Interface": "org.example.Implementation"}
_MAKERS: dict[str, Callable[[Artifacts], Path]] = {
    "an archive": lambda artifacts: artifacts.unpacked("debezium-postgres"),
    "a plugin": lambda artifacts: artifacts.plugin("apicurio-converter", _SERVICES),
}
_each_kind = pytest.mark.parametrize("make", _MAKERS.values(), ids=_MAKERS)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with all downloads, and nothing unpacked."""
    Artifacts(Terminal()).fetch(["debezium-postgres", "apicurio-converter"])
    (tmp_path / "maven").symlink_to(cache_dir() / "maven")
    return tmp_path


def _contents(directory: Path) -> dict[Path, bytes]:
    return {each.relative_to(directory): each.read_bytes() for each in directory.rglob("*") if each.is_file()}


def _flip(file: Path) -> None:
    """Changes a byte; size and time stay."""
    content, before = bytearray(file.read_bytes()), file.stat()
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


_HARM: dict[str, Callable[[Path], object]] = {
    "a flipped bit": _flip,
    "a cut file": lambda file: os.truncate(file, 1),
    "a lost file": lambda file: file.unlink(),
    "a file too many": lambda file: file.with_name("other.jar").write_bytes(b""),
}


@_each_kind
@pytest.mark.parametrize("harm", _HARM.values(), ids=_HARM)
def test_a_directory_that_came_to_harm_is_made_anew(
    cache: Path, make: Callable[[Artifacts], Path], harm: Callable[[Path], object]
) -> None:
    """It has then what it had before."""
    artifacts = Artifacts(Terminal(), cache)
    place = make(artifacts)
    names = set(_contents(place))
    harm(min(place.rglob("*.jar")))
    assert make(artifacts) == place
    assert set(_contents(place)) == names
    assert _contents(place) == _contents(make(Artifacts(Terminal(), _other(cache))))


def _other(cache: Path) -> Path:
    other = cache / "other"
    other.mkdir()
    (other / "maven").symlink_to(cache_dir() / "maven")
    return other


@_each_kind
def test_a_directory_without_an_account_of_it_is_made_anew(cache: Path, make: Callable[[Artifacts], Path]) -> None:
    """As an earlier version left it, or a disk that lost a part of the account."""
    artifacts = Artifacts(Terminal(), cache)
    place = make(artifacts)
    before = _contents(place)
    account = place.with_name(f"{place.name}.json")
    for harm in (account.unlink, lambda: os.truncate(account, 20), lambda: account.write_text("[]")):
        harm()
        _flip(min(place.rglob("*.jar")))
        assert _contents(make(artifacts)) == before


@_each_kind
def test_a_directory_that_is_whole_stays(cache: Path, make: Callable[[Artifacts], Path]) -> None:
    """A second start makes nothing."""
    artifacts = Artifacts(Terminal(), cache)
    # by its time too, as a number of a file may be given again; to look at it changes when it was last read
    made, again = (make(artifacts).stat() for _ in range(2))
    assert (again.st_ino, again.st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


_LOOK = """
import sys
from pathlib import Path
from consumer.stack.artifacts import Artifacts
from consumer.stack.progress import Terminal
artifacts = Artifacts(Terminal(), Path(sys.argv[1]))
artifacts.fetch(["debezium-postgres", "apicurio-converter"])
print(artifacts.unpacked("debezium-postgres"), artifacts.plugin("apicurio-converter", {"a": "b"}))
"""
# root is bound by modes, too, without these
_BOUND = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")


def test_a_complete_cache_may_be_read_only(cache: Path) -> None:
    """A start needs to write nothing there."""
    artifacts = Artifacts(Terminal(), cache)
    made = [str(make(artifacts)) for make in _MAKERS.values()]
    places = [cache, *(each for each in cache.iterdir() if each.is_dir() and not each.is_symlink())]
    for lock in cache.glob("*.lock"):
        lock.unlink()
    for place in places:
        place.chmod(0o555)
    words = [*(_BOUND if os.geteuid() == 0 else ()), sys.executable, "-c", _LOOK, str(cache)]
    try:
        looked = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    finally:
        for place in places:
            place.chmod(0o755)
    assert looked.stdout.split() == made, looked.stderr
