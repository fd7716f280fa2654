"""The settings page and their JSON schema, from the models in `consumer.settings.loading`."""

import html
import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from consumer.settings.loading import Settings, variable
from tools.pages.markdown import code, page, table

_INTRO = """\
Settings stand in `headrace.toml` (another file: `headrace run --config FILE`). An environment variable wins over the
file; its value is JSON where the type is a list or a table, and a table's names are added to those of the file. Unknown
names are mistakes. All mistakes are reported together at the start, each with its name and what is allowed. Some
settings are also checked against each other; the message names both.

The same as a JSON schema for editors: [settings.schema.json](../../schemas/settings.schema.json)."""
_HEAD = ("setting", "type", "default", "bounds", "environment", "meaning")
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "pattern": "matches `{}`",
}

# tables of sections: what their keys are, and one of them
_TABLES = {
    "topics": ("topic", "name"),
    "tables": ("table", "schema.table"),
    "columns": ("column", "name"),
    "checks": ("column", "name"),
    "tokens": ("name", "name"),
}

Schema = dict[str, Any]


def settings_page() -> str:
    """The page."""
    sections = [_section(name, name, field) for name, field in Settings.model_fields.items()]
    return page("Settings", _INTRO, *sections)


def settings_schema() -> str:
    """The JSON schema of `headrace.toml`."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _section(title: str, path: str, field: FieldInfo) -> str:
    """A section, and the sections inside it."""
    model = _models(field)[0]
    if field.annotation is not model:
        word, example = _TABLES[path.rpartition(".")[2]]
        title, path = f'{title}."{example}"', f"{path}.<{word}>"
    doc = (model.__doc__ or "").strip().splitlines()[0]
    inside = {name: each for name, each in model.model_fields.items() if _models(each)}
    sections = [_section(f"{title}.{name}", f"{path}.{name}", each) for name, each in inside.items()]
    return "\n\n".join([f"## `[{title}]`\n\n{doc}\n\n{table(_HEAD, list(_rows(model, path)))}", *sections])


def _models(field: FieldInfo) -> list[type[BaseModel]]:
    """The section's model, also where the section is a table of them; none for what is a value."""
    candidates = [field.annotation, *get_args(field.annotation)]
    return [each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)]


def _rows(model: type[BaseModel], path: str) -> Iterator[tuple[str, ...]]:
    properties = model.model_json_schema()["properties"]
    for attribute, field in model.model_fields.items():
        if _models(field):
            continue
        name = field.alias or attribute
        schema = properties[name]
        whole = f"{path}.{name}"
        environment = "-" if "<" in whole else code(variable(whole))
        meaning = html.escape(field.description or "", quote=False)
        yield code(whole), _type(schema), _default(schema, field), _bounds(schema), environment, meaning


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return " or ".join(code(value) for value in schema["enum"])
    if "anyOf" in schema:
        words = [_type(part) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(words))
    kind = schema.get("format", schema["type"])
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if kind == "object":
        return f"table of {_type(schema['additionalProperties'])}"
    return str(kind)


def _default(schema: Schema, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if "default" not in schema:
        return f"computed: {getattr(field.default_factory, '__name__', 'at the start')}"
    return "-" if schema["default"] is None else code(json.dumps(schema["default"]))


def _bounds(schema: Schema) -> str:
    for part in schema.get("anyOf", ()):
        schema = schema | part
    words = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    return (
        ", ".join(words).replace("at least 1 characters", "not empty").replace("at least 1 entries", "not empty") or "-"
    )
