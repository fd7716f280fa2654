"""The embedded stack: opens, watches, breaks and ends real servers; everything else is in the parts."""

import os
import signal
import subprocess
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType

from consumer.stack import assembly, ownership, ports
from consumer.stack.artifacts import Artifacts
from consumer.stack.birth import birth
from consumer.stack.failures import part_died, part_late, persistent, refused
from consumer.stack.layout import Layout, State, load, new_state, save
from consumer.stack.logs import Keeper, tail
from consumer.stack.options import ALL_PARTS, CONNECT, KAFKA, REGISTRY, SOURCE, TARGET, Endpoints, StackOptions
from consumer.stack.part import Part
from consumer.stack.process import Command, Process, Spawner
from consumer.stack.progress import Reporter, Terminal
from consumer.stack.waiting import wait_until

_PREPARE_SECONDS = 120.0
_SWEEP_SECONDS = 20.0


class Stack:
    """Real servers in one data directory, owned by this process.

    Open it with `Stack.open`; leaving the context ends every server. The servers also end when this process ends in
    any other way. One data directory belongs to one open stack at a time.
    """

    def __init__(self, layout: Layout, options: StackOptions, reporter: Reporter) -> None:
        self._layout = layout
        self._lock: int | None = None
        self._options = options
        self._reporter = reporter
        self._spawner = Spawner()
        self._programs: tuple[str, ...] = ()
        self._sweeper: subprocess.Popen[bytes] | None = None
        self._state: State | None = None
        self._parts: dict[str, Part] = {}
        self._processes: dict[str, Process] = {}
        self._keeper: Keeper | None = None
        self._closing = False

    @classmethod
    def open(
        cls,
        data_dir: Path,
        parts: Iterable[str] = ALL_PARTS,
        options: StackOptions | None = None,
        progress: Reporter | None = None,
    ) -> "Stack":
        """Starts the parts and returns when all are ready; on any failure nothing is left running.

        Data, ports and password of an earlier stack in the same directory are used again.
        """
        chosen = assembly.check(parts)
        layout = Layout(data_dir.absolute())
        ownership.make(layout)
        stack = cls(layout, options or StackOptions(), progress or Terminal(quiet_steps=True))
        try:
            stack._start(chosen)
        except BaseException:
            # Ctrl-C included: whatever stopped the start, the servers must go.
            stack.close()
            raise
        return stack

    def __enter__(self) -> "Stack":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def endpoints(self) -> Endpoints:
        """Where the parts answer."""
        # `open` gives no stack away before that
        assert self._state is not None
        return assembly.endpoints(self._parts, self._state, self._options)

    @property
    def data_dir(self) -> Path:
        """The data directory."""
        return self._layout.root

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the chosen parts."""
        return tuple(self._parts)

    def ended(self) -> tuple[str, ...]:
        """The parts that ended by themselves: started, and neither running nor stopped by this object."""
        return tuple(name for name, process in self._processes.items() if process.code is not None)

    def pid(self, name: str) -> int:
        """The process id of a running part."""
        return self._running(name).pid

    def alive(self, name: str) -> bool:
        """True when the part's process runs (a frozen one counts)."""
        process = self._processes.get(name)
        return process is not None and process.code is None

    def log_path(self, name: str) -> Path:
        """The part's log; it may be cut while the stack is open, see `logs`."""
        return self._layout.log(name)

    def logs(self, name: str, lines: int = 100) -> str:
        """The last lines of the part's log."""
        return tail(self._layout.log(name), lines)

    def start_part(self, name: str) -> None:
        """Starts a part that is not running, with its port and its data, and waits until it is ready."""
        if self.alive(name):
            raise refused("start_part", "part_running", f"{name} runs already", "Stop it first.")
        self._launch(self._known(name))
        self._remember()

    def stop_part(self, name: str) -> None:
        """Ends a part in order; does nothing when it is not running."""
        self._known(name)
        process = self._processes.pop(name, None)
        if process is not None:
            process.stop()
            self._remember()

    def restart(self, name: str) -> None:
        """Stops and starts a part; port and data stay."""
        self.stop_part(name)
        self.start_part(name)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends a part suddenly by a signal and returns when it is gone, PostgreSQL's backends included."""
        self._running(name).kill(number)
        self._processes.pop(name, None)
        self._remember()

    def pause(self, name: str) -> None:
        """Freezes a part (SIGSTOP, descendants included): connections stay open and nothing answers."""
        self._running(name).pause()

    def resume(self, name: str) -> None:
        """Lets a frozen part go on."""
        self._running(name).resume()

    def close(self) -> None:
        """Ends all parts, consumers before what they use; safe to call again."""
        self._closing = True
        try:
            for group in ((CONNECT,), (KAFKA, REGISTRY, SOURCE, TARGET)):
                self._stop_all([name for name in group if name in self._processes])
        finally:
            self._release()

    def _start(self, chosen: frozenset[str]) -> None:
        self._programs = assembly.program_dirs(chosen, self._options)
        self._lock = ownership.own(self._layout)
        # first of all: what is broken off later remembers what was there
        self._state = state = load(self._layout) or new_state()
        self._sweep(self._layout.root)
        self._keeper = Keeper(self._layout.logs, self._options.log_bytes)
        self._sweeper = self._spawn_sweeper(self._layout.root)
        state.supervisor, state.ready = (os.getpid(), birth(os.getpid())), False
        state.ports |= ports.choose(assembly.port_names(chosen, self._options), state.ports)
        state.parts = sorted(chosen)
        self._remember()
        artifacts = Artifacts(self._reporter)
        artifacts.fetch(assembly.bundles(chosen, self._options))
        pieces = assembly.Assembly(layout=self._layout, state=state, options=self._options, artifacts=artifacts)
        self._parts = pieces.build(chosen)
        self._launch_all()
        state.ready = True
        self._remember()

    def _launch_all(self) -> None:
        with ThreadPoolExecutor(len(self._parts), thread_name_prefix="stack-start") as pool:
            launches = [pool.submit(self._launch, part) for part in self._parts.values()]
            try:
                done, _ = wait(launches, return_when=FIRST_EXCEPTION)
                for each in done:
                    each.result()
            except BaseException:
                # The other launches wait for servers; they give up as soon as they see this.
                self._closing = True
                raise

    def _launch(self, part: Part) -> None:
        log = self._layout.log(part.name)
        # After a sudden end PostgreSQL's backends may live on for a moment, and hold what the next start needs.
        self._sweep(self._layout.part(part.name))
        part.prepare(lambda command: self._run(part.name, command, log))
        self._give_up_when_closing(part.name)
        process = self._spawner.spawn(part.name, part.command(), log)
        self._processes[part.name] = process
        self._await(part, process, self._options.start_seconds)
        self._reporter.say(f"{part.name} is ready")

    def _await(self, part: Part, process: Process, seconds: float) -> None:
        def settled() -> bool:
            self._give_up_when_closing(part.name)
            return process.code is not None or part.ready()

        if not wait_until(settled, seconds):
            raise part_late(part.name, seconds, process.log)
        if process.code is not None:
            raise part_died(part.name, process.code, process.log)

    def _run(self, name: str, command: Command, log: Path) -> None:
        """Takes a program of a part's preparation to its end."""
        process = self._spawner.spawn(name, command, log)
        self._processes[name] = process
        if not wait_until(lambda: self._closing or process.code is not None, _PREPARE_SECONDS):
            raise part_late(name, _PREPARE_SECONDS, log)
        self._give_up_when_closing(name)
        if process.code != 0:
            raise part_died(name, process.code, log)
        del self._processes[name]

    def _give_up_when_closing(self, name: str) -> None:
        if self._closing:
            raise persistent(f"run.{name}", "stack_closed", f"{name}: the stack is closing", "Open the stack again.")

    def _stop_all(self, names: list[str]) -> None:
        if not names:
            return
        with ThreadPoolExecutor(len(names), thread_name_prefix="stack-stop") as pool:
            list(pool.map(lambda name: self._processes.pop(name).stop(), names))

    def _release(self) -> None:
        """Gives the data directory back: state, then the sweeper, which finds nothing to do, then the lock."""
        self._spawner.close()
        if self._lock is None:
            return
        if self._state is not None:
            self._state.supervisor, self._state.ready = None, False
        self._remember()
        try:
            if self._sweeper is not None:
                _end_sweeper(self._sweeper)
        finally:
            if self._keeper is not None:
                self._keeper.close()
            os.close(self._lock)
            self._lock = None

    def _sweep(self, place: Path) -> None:
        """Ends what works below this directory, by a process of its own: it takes other users' ids to see theirs."""
        _end_sweeper(self._spawn_sweeper(place))

    def _spawn_sweeper(self, place: Path) -> "subprocess.Popen[bytes]":
        assert self._lock is not None
        return self._spawner.spawn_sweeper(place, self._programs, self._lock, self._layout.log("sweeper"))

    def _known(self, name: str) -> Part:
        if name not in self._parts:
            raise refused(
                "part", "part_unknown", f"{name} is no part of this stack", f"It has: {', '.join(self._parts)}."
            )
        return self._parts[name]

    def _running(self, name: str) -> Process:
        self._known(name)
        process = self._processes.get(name)
        if process is None or process.code is not None:
            raise refused("part", "part_down", f"{name} is not running", "Start it first.")
        return process

    def _remember(self) -> None:
        """Saves the state; one that was never loaded says nothing of what is there, and is not saved."""
        if self._state is None:
            return
        self._state.processes = {
            name: (process.pid, process.started) for name, process in self._processes.items() if process.code is None
        }
        save(self._layout, self._state)


def _end_sweeper(sweeper: "subprocess.Popen[bytes]") -> None:
    """Has it sweep, and returns when it has ended."""
    if sweeper.stdin is not None:
        sweeper.stdin.close()
    try:
        sweeper.wait(_SWEEP_SECONDS)
    except subprocess.TimeoutExpired:
        # it has nothing left to do, and holds the lock as long as it lives
        sweeper.kill()
        sweeper.wait(_SWEEP_SECONDS)
