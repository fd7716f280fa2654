"""Where everything of one stack lives below its data directory, and what its state file remembers."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from consumer.stack.failures import persistent

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one stack."""

    root: Path

    @property
    def state(self) -> Path:
        """The state file; only the owner may read it, it holds the password."""
        return self.root / "stack.json"

    @property
    def lock(self) -> Path:
        """Locked while a supervisor or its sweeper lives."""
        return self.root / "lock"

    @property
    def logs(self) -> Path:
        """One log per part, and what was cut off it last."""
        return self.root / "logs"

    def log(self, name: str) -> Path:
        """The log of a part."""
        return self.logs / f"{name}.log"

    def part(self, name: str) -> Path:
        """The directory of a part; made when missing."""
        place = self.root / name
        place.mkdir(mode=0o700, exist_ok=True)
        return place


@dataclass(slots=True)
class State:
    """What outlives a supervisor: ports and password; processes are those of the last one, with their births."""

    password: str
    ports: dict[str, int] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    processes: dict[str, tuple[int, str | float]] = field(default_factory=dict)
    supervisor: tuple[int, str | float] | None = None
    ready: bool = False


def load(layout: Layout) -> State | None:
    """The stored state, or None when there never was a stack here."""
    if not layout.state.exists():
        return None
    try:
        stored = json.loads(layout.state.read_text(encoding="utf-8"))
        if stored.pop("format") != _FORMAT:
            raise ValueError("another format")
        return State(**stored)
    except (ValueError, TypeError, KeyError) as cause:
        detail = f"{layout.state} can't be read: {cause}"
        raise persistent("state", "state_unusable", detail, f"Remove {layout.root} and start anew.") from cause


def new_state() -> State:
    """The state of a stack that starts for the first time."""
    return State(password=secrets.token_urlsafe(18))


def save(layout: Layout, state: State) -> None:
    """Replaces the state file as a whole."""
    scratch = layout.root / f".stack.{os.getpid()}.json"
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump({"format": _FORMAT, **asdict(state)}, stream, indent=1)
    scratch.replace(layout.state)
