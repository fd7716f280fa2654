"""The unprivileged user that PostgreSQL insists on when everything else runs as root, and programs it can reach."""

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from consumer.stack.failures import refused
from consumer.stack.process import User

_FALLBACK_ID = 65534
_SHARED_PLACE = Path("/var/tmp")


def unprivileged_user() -> User | None:
    """The user for PostgreSQL: None when this process is not root and can run it itself."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return User(_FALLBACK_ID, _FALLBACK_ID)
    return User(entry.pw_uid, entry.pw_gid)


def reachable_programs(install: Path, user: User | None, name: str, place: Path = _SHARED_PLACE) -> Path:
    """The installation itself, or a copy of it where that user can read it.

    The copy is made once per version, belongs to root, and is never one that another user put there. One that lost
    files, or parts or modes of them, is made anew; a file that is as long as it was is not read.
    """
    if user is None or _open_to_all(install):
        return install
    copy = place / f"headrace-{name}"
    wanted = {where: (_open_mode(entry), _size(entry)) for where, entry in _entries(install)}
    if not _is_copy(copy, wanted):
        _make_copy(install, copy)
    _refuse_foreign(copy)
    return copy


def hand_over(directory: Path, user: User | None) -> None:
    """Makes an empty directory the user's own."""
    if user is not None:
        os.chown(directory, user.uid, user.gid)


def _make_copy(install: Path, copy: Path) -> None:
    """Puts a fresh copy into its place, with modes that do not depend on who makes it."""
    with tempfile.TemporaryDirectory(dir=copy.parent, prefix="headrace-new-") as scratch:
        fresh = Path(scratch, "content")
        shutil.copytree(install, fresh, symlinks=True)
        for where, entry in _entries(fresh):
            if not stat.S_ISLNK(entry.st_mode):
                (fresh / where).chmod(_open_mode(entry))
        try:
            with suppress(FileNotFoundError):
                copy.rename(Path(scratch, "harmed"))
            fresh.rename(copy)
        except OSError:
            # Another process was first; its copy is judged like any other.
            if not copy.exists():
                raise


def _is_copy(copy: Path, wanted: Mapping[str, tuple[int, int]]) -> bool:
    """True when all is there. Refuses a directory that others may write: nothing of it is judged, or removed."""
    if not os.path.lexists(copy):
        return False
    _refuse_foreign(copy)
    return {where: (stat.S_IMODE(entry.st_mode), _size(entry)) for where, entry in _entries(copy)} == wanted


def _refuse_foreign(copy: Path) -> None:
    owner = copy.lstat()
    if owner.st_uid != 0 or not stat.S_ISDIR(owner.st_mode) or owner.st_mode & 0o022:
        detail = f"{copy} does not belong to root alone"
        raise refused("programs", "untrusted_copy", detail, f"Remove {copy} and start again.")


def _entries(directory: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The directory and all below it, by their places in it."""
    yield "", directory.lstat()
    for place, directories, files in os.walk(directory):
        for name in (*directories, *files):
            entry = os.path.join(place, name)
            yield entry.removeprefix(f"{directory}{os.sep}"), os.lstat(entry)


def _open_mode(entry: os.stat_result) -> int:
    """The mode with which everybody can use it and its owner alone can change it; a link keeps its own."""
    if stat.S_ISLNK(entry.st_mode):
        return stat.S_IMODE(entry.st_mode)
    return 0o755 if stat.S_ISDIR(entry.st_mode) or entry.st_mode & 0o111 else 0o644


def _size(entry: os.stat_result) -> int:
    """The length of a file; that of a directory is the file system's own matter."""
    return 0 if stat.S_ISDIR(entry.st_mode) else entry.st_size


def _open_to_all(path: Path) -> bool:
    """True when any user may enter the directory and all that lead to it."""
    resolved = path.resolve()
    return all(place.stat().st_mode & stat.S_IXOTH for place in (resolved, *resolved.parents))
