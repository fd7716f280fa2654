"""Which Headrace was measured. The results of another one stay in the store and count for nothing."""

import hashlib
from importlib.metadata import version as package_version
from pathlib import Path

import consumer

ROOT = Path(consumer.__file__).resolve().parent
# no part of a worker
_LEFT_OUT = ("bench", "stack")
_KINDS = (".py", ".sql")


def version(root: Path = ROOT) -> str:
    """The package's version and a digest of the sources that a worker runs: the same with git and without it."""
    sources = sorted(each for each in root.rglob("*") if each.suffix in _KINDS)
    digest = hashlib.sha256()
    for source in sources:
        place = source.relative_to(root)
        if place.parts[0] not in _LEFT_OUT:
            content = source.read_bytes()
            digest.update(f"{place.as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return f"{package_version('headrace')}+{digest.hexdigest()[:8]}"
