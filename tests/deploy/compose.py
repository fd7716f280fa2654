"""The compose file as Compose reads it: anchors resolved, variables put in."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.deploy.dockerfile import ROOT

FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}")


def variables(text: str) -> dict[str, str]:
    """What a file of variables sets; what is commented out is not set."""
    return dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", text, re.MULTILINE))


def asked_for(text: str) -> dict[str, bool]:
    """The variables that the file names, and whether each of them is wanted."""
    return {name: kind == "?" for name, kind, _ in _VARIABLE.findall(text)}


def composed(given: Mapping[str, str]) -> dict[str, Any]:
    """The file with these variables. Raises KeyError when one is missing."""

    def value(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        return given.get(name, default) if kind == "-" else given[name]

    found: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, FILE.read_text()))
    return found


def environment(service: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """A service's variables with a prefix."""
    return {name: value for name, value in service["environment"].items() if name.startswith(prefix)}


def properties(variables: Mapping[str, str], prefix: str) -> dict[str, str]:
    """What the images of Kafka and Connect make of such variables."""
    return {name.removeprefix(prefix).lower().replace("_", "."): value for name, value in variables.items()}
