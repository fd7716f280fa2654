"""Settings explained: what each is set to, by whom, within which bounds, and what it must hold with others."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from consumer.settings.loading import DEFAULT_FILE, Settings, shown_settings, variable
from consumer.settings.waits import WAITS, Relation, relations_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One setting. `source`: the variable, the file, or default. `waits_for`: whose answer it bounds, if it does."""

    setting: str
    value: Any
    source: str
    least: float | None
    most: float | None
    waits_for: str
    meaning: str
    relations: list[str]


def explained(settings: Settings, file: Path | None) -> list[Explained]:
    """Every setting but those of topics and tables, by section. What is secret is not shown."""
    chosen = file or DEFAULT_FILE
    said = tomllib.loads(chosen.read_text(encoding="utf-8")) if chosen.is_file() else {}
    shown = shown_settings(settings)
    return [
        Explained(
            setting=path,
            value=_at(shown, path),
            source=_source(path, said, chosen),
            least=_bound(field, Ge, Gt),
            most=_bound(field, Le, Lt),
            waits_for=WAITS.get(path, ""),
            meaning=field.description or "",
            relations=[_words(relation) for relation in relations_of(path)],
        )
        for path, field in _fields(Settings)
    ]


def _fields(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{before}{name}.")
        elif before:
            yield f"{before}{name}", field


def _at(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for name in path.split("."):
        found = found[name]
    return found


def _source(path: str, said: Mapping[str, Any], file: Path) -> str:
    names = {name.upper() for name in os.environ}
    section = path.split(".")
    # a section may be given as a whole, too
    for parts in range(len(section), 0, -1):
        if (name := variable(".".join(section[:parts]))) in names:
            return name
    found: Any = said
    for part in section:
        if not isinstance(found, Mapping) or part not in found:
            return "default"
        found = found[part]
    return str(file)


def _bound(field: FieldInfo, *kinds: type) -> float | None:
    for each in field.metadata:
        if isinstance(each, kinds):
            return float(getattr(each, type(each).__name__.lower()))
    return None


def _words(relation: Relation) -> str:
    return relation.words.split(" (")[0]
