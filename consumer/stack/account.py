"""The unprivileged user that PostgreSQL insists on when everything else runs as root, and programs it can reach."""

import os
import pwd
import shutil
import stat
import tempfile
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

    The copy is made once per version, belongs to root, and is never one that another user put there.
    """
    if user is None or _open_to_all(install):
        return install
    copy = place / f"headrace-{name}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=place, prefix="headrace-new-") as scratch:
            fresh = Path(scratch, "content")
            shutil.copytree(install, fresh, symlinks=True)
            try:
                fresh.rename(copy)
            except OSError:
                # Another process was first; its copy is judged below like any other.
                if not copy.exists():
                    raise
    owner = copy.lstat()
    if owner.st_uid != 0 or not stat.S_ISDIR(owner.st_mode) or owner.st_mode & 0o022:
        detail = f"{copy} does not belong to root alone"
        raise refused("programs", "untrusted_copy", detail, f"Remove {copy} and start again.")
    return copy


def hand_over(directory: Path, user: User | None) -> None:
    """Makes an empty directory the user's own."""
    if user is not None:
        os.chown(directory, user.uid, user.gid)


def _open_to_all(path: Path) -> bool:
    """True when any user may enter the directory and all that lead to it."""
    resolved = path.resolve()
    return all(place.stat().st_mode & stat.S_IXOTH for place in (resolved, *resolved.parents))
