"""Which Headrace was measured. The results of another one stay in the store and count for nothing."""

import hashlib
import os
from collections.abc import Mapping
from importlib.metadata import version as package_version
from pathlib import Path

import consumer

ROOT = Path(consumer.__file__).resolve().parent
# no part of a worker
_LEFT_OUT = ("bench", "stack")
_KINDS = (".py", ".sql")


def overrides(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The settings of Headrace that the environment changes."""
    return {name: value for name, value in environment.items() if name.startswith("HEADRACE_") and "DSN" not in name}


def version(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> str:
    """The package's version and a digest of the sources that a worker runs: the same with git and without it.

    Where the environment changes settings it has a digest of these too: such runs are of another Headrace.
    """
    changed = overrides(environment)
    return f"{package_version('headrace')}+{_sources(root)}" + (f".{_digested(changed)}" if changed else "")


def _digested(changed: Mapping[str, str]) -> str:
    text = "\n".join(f"{name}={value}" for name, value in sorted(changed.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _sources(root: Path) -> str:
    sources = sorted(each for each in root.rglob("*") if each.suffix in _KINDS)
    digest = hashlib.sha256()
    for source in sources:
        place = source.relative_to(root)
        if place.parts[0] not in _LEFT_OUT:
            content = source.read_bytes()
            digest.update(f"{place.as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:8]
