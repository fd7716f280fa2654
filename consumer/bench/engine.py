"""Which Headrace was measured. The results of another one stay in the store and count for nothing."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import version as package_version
from pathlib import Path

import consumer
from consumer.settings.variables import named

ROOT = Path(consumer.__file__).resolve().parent.parent
PACKAGES = ("headrace", "confluent-kafka", "polars", "polars-avro", "pgpq", "psycopg", "pyarrow")
# what a worker runs, and no part of it
_SOURCES = ("consumer", "dlq")
_LEFT_OUT = ("consumer/bench", "consumer/stack")
_KINDS = (".py", ".sql")
# where data is makes no other Headrace
_PLACES = ("target.dsn", "source.dsn")
_HIDDEN = "***"


def overrides(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The settings of Headrace that the environment changes, for people: what is secret, or may hold it, is hidden."""
    changed = _changed(environment)
    return {name: _HIDDEN if (found := named(name)) and found.is_hidden else changed[name] for name in changed}


def version(root: Path = ROOT, environment: Mapping[str, str] = os.environ, packages: Iterable[str] = PACKAGES) -> str:
    """The package's version and a digest of what a worker runs: its sources, the same with git and without it, and the
    versions of the packages that its work is done by.

    Where the environment changes settings it has a digest of these too: such runs are of another Headrace.
    """
    changed = _changed(environment)
    settings = [f"{name}={value}" for name, value in sorted(changed.items())]
    worker = _digested([*_sources(root), *(f"{name} {package_version(name)}" for name in packages)])
    return f"{package_version('headrace')}+{worker}" + (f".{_digested(settings)}" if changed else "")


def _changed(environment: Mapping[str, str]) -> dict[str, str]:
    settings = {name: found.path for name in environment if (found := named(name))}
    return {name: environment[name] for name, path in settings.items() if path not in _PLACES}


def _digested(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


def _sources(root: Path) -> list[str]:
    """Each source by its place, with a digest of its own."""
    found = sorted(each for part in _SOURCES for each in (root / part).rglob("*") if each.suffix in _KINDS)
    places = {each.relative_to(root): each for each in found}
    return [
        f"{place.as_posix()} {hashlib.sha256(source.read_bytes()).hexdigest()}"
        for place, source in places.items()
        if "/".join(place.parts[:2]) not in _LEFT_OUT
    ]
