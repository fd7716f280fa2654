"""A JSON Patch (RFC 6902) that may change a row's values and nothing else."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from typing import Any

import jsonpatch
from jsonpointer import JsonPointerException

MOST_OPERATIONS = 200
"""Most operations of one patch."""
LARGEST = 64 << 20
"""Most characters of a row as JSON, while operations copy parts of it."""

_FROM = frozenset({"move", "copy"})
_OPERATIONS = frozenset({"add", "remove", "replace", "test"}) | _FROM
_DEEPEST = 100
_ROOT = "/after/"

Patch = Sequence[Mapping[str, Any]]


class BadPatch(ValueError):
    """A patch that is none, reaches beyond the row, or does not fit it; the message names places, never values."""


def patched(values: Mapping[str, Any], patch: Patch, hidden: Collection[str] = (), *, largest: int = LARGEST) -> Any:
    """A row's values after a patch of the document that has them under `after`. Raises BadPatch.

    `hidden`: columns whose values whoever writes the patch may not see. `largest`: characters that copies may make.
    """
    _check(patch)
    for number, operation in enumerate(patch, 1):
        _check_blind(operation, hidden, f"operation {number}")
    document: Any = {"after": deepcopy(dict(values))}
    for number, operation in enumerate(patch, 1):
        where = f"operation {number} ({operation['op']} of {column(operation['path'])})"
        _require_column(operation, document["after"], where)
        try:
            document = jsonpatch.apply_patch(document, [dict(operation)], in_place=True)
            large = operation["op"] == "copy" and len(json.dumps(document)) > largest
        except jsonpatch.JsonPatchTestFailed:
            # its message quotes both values
            raise BadPatch(f"{where}: the value is another one") from None
        except (jsonpatch.JsonPatchException, JsonPointerException, TypeError):
            raise BadPatch(f"{where}: the patch does not fit the row") from None
        except RecursionError:
            raise BadPatch(f"{where}: the row becomes nested too deeply") from None
        if large:
            raise BadPatch(f"{where}: the row becomes too large")
    return document["after"]


def written(patch: Patch) -> frozenset[str]:
    """The columns that a patch leads to, whatever it does there."""
    return frozenset(_name(each["path"]) for each in patch)


def _check_blind(operation: Mapping[str, Any], hidden: Collection[str], where: str) -> None:
    """What is not shown can be replaced as a whole: whatever else is done with it would tell something of it."""
    source, at = operation.get("from") if operation["op"] in _FROM else None, operation["path"]
    if source is not None and _name(source) in hidden:
        raise BadPatch(f"{where}: {column(source)} is masked, and can't be moved or copied")
    if _name(at) in hidden and (operation["op"] == "test" or "/" in at.removeprefix(_ROOT)):
        raise BadPatch(f"{where}: {column(at)} is masked, and can only be replaced as a whole")


def _require_column(operation: Mapping[str, Any], row: Any, where: str) -> None:
    """Names of columns are no values. What is added may be new."""
    name = _name(operation["path"])
    if operation["op"] in ("replace", "remove", "test") and isinstance(row, Mapping) and name not in row:
        raise BadPatch(f"{where}: the row has no column {name}; it has {', '.join(map(str, row))}")


def _check(patch: Patch) -> None:
    if not isinstance(patch, list | tuple):
        raise BadPatch("a patch is a list of operations")
    if len(patch) > MOST_OPERATIONS:
        raise BadPatch(f"a patch has at most {MOST_OPERATIONS} operations")
    for number, operation in enumerate(patch, 1):
        where = f"operation {number}"
        if not isinstance(operation, Mapping) or operation.get("op") not in _OPERATIONS:
            raise BadPatch(f"{where}: an operation is an object whose op is one of {', '.join(sorted(_OPERATIONS))}")
        _check_paths(operation, where)
        if operation["op"] in ("add", "replace", "test") and "value" not in operation:
            raise BadPatch(f"{where}: it has no value")
        _check_kept(operation, where, 0)


def _check_paths(operation: Mapping[str, Any], where: str) -> None:
    for name in ("path", "from") if operation["op"] in _FROM else ("path",):
        path = operation.get(name)
        if not isinstance(path, str) or not path.startswith(_ROOT) or path == _ROOT:
            raise BadPatch(f"{where}: its {name} must lie under {_ROOT}; key, operation and source can't be changed")


def _check_kept(value: Any, where: str, depth: int) -> None:
    """Whether PostgreSQL can keep it as JSON."""
    if depth > _DEEPEST:
        raise BadPatch(f"{where}: it is nested too deeply")
    if isinstance(value, Mapping):
        for key, part in value.items():
            _check_kept(key, where, depth)
            _check_kept(part, where, depth + 1)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_kept(part, where, depth + 1)
    elif isinstance(value, str):
        if "\0" in value or value.encode(errors="replace").decode() != value:
            raise BadPatch(f"{where}: text with a zero byte or half a surrogate pair")
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadPatch(f'{where}: such a number is written "NaN", "Infinity" or "-Infinity"')
    elif not isinstance(value, int | float | None):
        raise BadPatch(f"{where}: it is no JSON")


def column(path: str) -> str:
    """The column that a path of a patch leads to, as `after.name`; what follows may be a value."""
    return "after." + path.removeprefix(_ROOT).split("/", 1)[0].replace("~1", "/").replace("~0", "~")


def _name(path: str) -> str:
    return column(path).removeprefix("after.")
