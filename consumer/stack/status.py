"""The state of a stack as seen from any process: from its state file and the processes themselves."""

from dataclasses import dataclass
from pathlib import Path

from consumer.stack import assembly, ownership, ports
from consumer.stack.layout import Layout, load
from consumer.stack.options import Endpoints, StackOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """One part: `answers` is False when its process runs but takes no connections (yet)."""

    name: str
    running: bool
    answers: bool
    port: int
    pid: int | None

    @property
    def up(self) -> bool:
        """True when it runs and answers."""
        return self.running and self.answers


@dataclass(frozen=True, slots=True, kw_only=True)
class StackStatus:
    """One stack: `supervisor` is None when nobody runs it; `ready` is True once all parts were ready."""

    data_dir: Path
    supervisor: int | None
    ready: bool
    parts: tuple[PartStatus, ...]
    endpoints: Endpoints

    @property
    def up(self) -> bool:
        """True when the stack is ready and all of its parts are up."""
        return self.ready and all(part.up for part in self.parts)


def status(data_dir: Path) -> StackStatus | None:
    """What runs in this data directory, or None when there never was a stack."""
    layout = Layout(data_dir.absolute())
    state = load(layout)
    if state is None:
        return None
    supervisor = ownership.owner(layout)
    found = []
    for name in state.parts:
        pid, started = state.processes.get(name, (0, ""))
        running = pid > 0 and ownership.is_running(pid, started)
        port = state.ports[name]
        answers = running and ports.answers(port)
        found.append(PartStatus(name=name, running=running, answers=answers, port=port, pid=pid if running else None))
    return StackStatus(
        data_dir=layout.root,
        supervisor=supervisor,
        ready=state.ready and supervisor is not None,
        parts=tuple(found),
        endpoints=assembly.endpoints(state.parts, state, StackOptions()),
    )
