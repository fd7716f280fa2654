"""Which setting an environment variable sets, and whether its value may be shown."""

from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from consumer.settings.loading import HIDDEN, Settings, variable

_PREFIX = variable("")


@dataclass(frozen=True, slots=True)
class Named:
    """A setting by its path, or a whole section. `is_hidden`: it is secret, or may hold what is."""

    path: str
    is_hidden: bool


def named(name: str) -> Named | None:
    """The setting of a variable; None of one that sets none, as a command's own."""
    if not name.upper().startswith(_PREFIX):
        return None
    parts = name[len(_PREFIX) :].lower().split("__")
    kind: Any = Settings
    for depth, part in enumerate(parts):
        if not _is_section(kind):
            # what is below has names of people's own
            parts = parts[:depth]
            break
        if part not in kind.model_fields:
            return None
        kind = kind.model_fields[part].annotation
    path = ".".join(parts)
    return Named(path, _is_secret(kind) or any(f"{hidden}.".startswith(f"{path}.") for hidden in HIDDEN))


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_secret(kind: Any) -> bool:
    if _is_section(kind):
        return any(_is_secret(field.annotation) for field in kind.model_fields.values())
    return kind is SecretStr or any(_is_secret(each) for each in get_args(kind))
