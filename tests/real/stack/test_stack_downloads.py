"""Files that are not what artifacts.json says are never used, whether damaged on their way or later in the cache."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from consumer.core.failure import Persistent
from consumer.stack.artifacts import Artifacts
from consumer.stack.cache import cache_dir
from consumer.stack.progress import Terminal

# one of jars, one of an archive
_both_kinds = pytest.mark.parametrize("bundle", ["apicurio-converter", "debezium-postgres"])


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def _served(directory: Path) -> Iterator[str]:
    """The directory as a package registry on loopback; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/maven"
        finally:
            server.shutdown()
            thread.join()


def _places(bundle: str) -> list[Path]:
    """Where the bundle's files are in any cache."""
    return [place.relative_to(cache_dir()) for place in Artifacts(Terminal()).jars(bundle)]


def _copy(bundle: str, directory: Path) -> Path:
    """A cache with just this bundle's files, whose subdirectory `maven` can be a registry too."""
    Artifacts(Terminal()).fetch([bundle])
    for place in _places(bundle):
        (directory / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(cache_dir() / place, directory / place)
    return directory


def _damage(file: Path) -> None:
    """Changes one byte in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _files(directory: Path) -> set[Path]:
    return {each.relative_to(directory) for each in directory.rglob("*") if each.is_file()} - {Path("download.lock")}


@_both_kinds
def test_a_download_with_a_wrong_digest_is_refused_and_not_kept(tmp_path: Path, bundle: str) -> None:
    """The failure names the file and says what to do; once the registry is in order, the same cache gets all files."""
    registry, cache, wrong = _copy(bundle, tmp_path / "registry"), tmp_path / "cache", _places(bundle)[0]
    cache.mkdir()
    _damage(registry / wrong)
    with _served(registry) as address:
        artifacts = Artifacts(Terminal(), cache, address)
        with pytest.raises(Persistent, match=r"has digest \w{64}, expected \w{64}") as failure:
            artifacts.fetch([bundle])
        assert wrong.name in str(failure.value)
        assert "it was not kept" in failure.value.failure.remedy
        assert _files(cache) <= set(_places(bundle)) - {wrong}

        shutil.copy(cache_dir() / wrong, registry / wrong)
        artifacts.fetch([bundle])
        assert _files(cache) == set(_places(bundle))


@_both_kinds
def test_a_file_that_was_damaged_in_the_cache_is_replaced(tmp_path: Path, bundle: str) -> None:
    """The next start downloads it again, and only it."""
    registry, cache, wrong = tmp_path / "registry", _copy(bundle, tmp_path / "cache"), _places(bundle)[0]
    (registry / wrong).parent.mkdir(parents=True)
    shutil.copy(cache / wrong, registry / wrong)
    _damage(cache / wrong)
    with _served(registry) as address:
        Artifacts(Terminal(), cache, address).fetch([bundle])
    assert (cache / wrong).read_bytes() == (registry / wrong).read_bytes()
    assert _files(cache) == set(_places(bundle))


@_both_kinds
def test_a_damaged_file_does_not_stay_in_the_cache_when_there_is_no_better_one(tmp_path: Path, bundle: str) -> None:
    """A start fails rather than use it, and the next one does not find it."""
    cache, wrong = _copy(bundle, tmp_path / "cache"), _places(bundle)[0]
    _damage(cache / wrong)
    registry = tmp_path / "registry"
    (registry / wrong).parent.mkdir(parents=True)
    shutil.copy(cache / wrong, registry / wrong)
    with _served(registry) as address, pytest.raises(Persistent, match=wrong.name):
        Artifacts(Terminal(), cache, address).fetch([bundle])
    assert _files(cache) == set(_places(bundle)) - {wrong}
