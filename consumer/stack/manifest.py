"""What a directory was made of: each file with its digest, in a file beside it, so that later harm to it is seen."""

import json
import shutil
from pathlib import Path

from consumer.stack.digests import sha256_of_all


def place(fresh: Path, target: Path) -> None:
    """Puts a directory that was just made where it is to be, in place of what is there.

    The manifest comes last: broken off anywhere, the target is not whole.
    """
    listed = _listed(fresh)
    _file(target).unlink(missing_ok=True)
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(exist_ok=True)
    fresh.replace(target)
    _file(target).write_text(json.dumps(listed, indent=1), encoding="utf-8")


def is_whole(target: Path) -> bool:
    """True when it holds the files with which it was placed, no more and no less, none of them changed."""
    try:
        known = json.loads(_file(target).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(known == _listed(target))


def _file(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _listed(directory: Path) -> dict[str, str]:
    files = sorted(each for each in directory.rglob("*") if each.is_file())
    return dict(zip((str(each.relative_to(directory)) for each in files), sha256_of_all(files), strict=True))
