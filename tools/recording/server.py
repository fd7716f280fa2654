"""A MySQL or MariaDB server of its own, from programs that are on the machine, for as long as a recording takes."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from consumer.stack.ports import LOOPBACK, choose
from consumer.stack.waiting import wait_until

DATABASE = "shop"
USER, PASSWORD = "recorder", "recorder"
_START_SECONDS = 60.0
_STATEMENT_SECONDS = 60.0
# Not strict, so that zero dates, days that no month has and enum values that are none can be stored, as in old tables.
_SQL_MODE = "ALLOW_INVALID_DATES"
_COMMON = (
    f"--bind-address={LOOPBACK}",
    "--server-id=1",
    "--log-bin=binlog",
    "--binlog-row-image=FULL",
    "--default-time-zone=+00:00",
    "--character-set-server=utf8mb4",
    "--skip-name-resolve",
    "--secure-file-priv=",
    f"--sql-mode={_SQL_MODE}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """How one kind of server is made, started and talked to."""

    client: str
    make: tuple[str, ...]
    start: tuple[str, ...]


MYSQL = Programs(
    client="mysql",
    make=("mysqld", "--no-defaults", "--initialize-insecure"),
    start=("mysqld", "--no-defaults", "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--mysqlx=OFF"),
)
MARIADB = Programs(
    client="mariadb",
    make=(
        "mariadb-install-db",
        "--no-defaults",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--force",
    ),
    start=("mariadbd", "--no-defaults", "--binlog-format=ROW"),
)


class Server:
    """A running server. `root` is the file system that holds its programs, entered by chroot unless it is `/`."""

    def __init__(self, programs: Programs, root: Path) -> None:
        self._programs = programs
        self._prefix = () if root == Path("/") else ("chroot", str(root))
        self._scratch = Path(tempfile.mkdtemp(prefix="recording-", dir=root / "var" / "tmp"))
        self._inside = Path("/") / self._scratch.relative_to(root)
        self.port = choose(["server"], {})["server"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Server":
        try:
            self._run([*self._programs.make, *self._places()])
            self._start()
            self._make_user()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def execute(self, script: str, database: str = DATABASE) -> list[list[str]]:
        """Runs statements in one session and returns the rows of their results, as the client prints them."""
        words = [self._programs.client, "--no-defaults", "--user=root", f"--socket={self._inside / 'socket'}"]
        words += ["--default-character-set=utf8mb4", "--batch", "--skip-column-names", database]
        done = subprocess.run(
            [*self._prefix, *words], input=script.encode(), capture_output=True, timeout=_STATEMENT_SECONDS, check=False
        )
        if done.returncode:
            raise SystemExit(f"the server refused a statement: {done.stderr.decode()}\n{script}")
        return [line.split("\t") for line in done.stdout.decode().splitlines()]

    def _places(self) -> list[str]:
        return [f"--datadir={self._inside / 'data'}", *(["--user=root"] if os.geteuid() == 0 else [])]

    def _start(self) -> None:
        words = [*self._programs.start, *_COMMON, *self._places(), f"--port={self.port}"]
        words += [f"--socket={self._inside / 'socket'}", f"--pid-file={self._inside / 'pid'}"]
        with (self._scratch / "log").open("wb") as log:
            self._process = subprocess.Popen([*self._prefix, *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        if not wait_until(self._answers, _START_SECONDS, interval=0.2):
            raise SystemExit(f"the server did not start:\n{(self._scratch / 'log').read_text()}")

    def _answers(self) -> bool:
        try:
            return self.execute("SELECT 1", database="mysql") == [["1"]]
        except SystemExit:
            return False

    def _make_user(self) -> None:
        script = f"CREATE DATABASE {DATABASE};"
        for host in (LOOPBACK, "localhost"):
            script += f"CREATE USER '{USER}'@'{host}' IDENTIFIED BY '{PASSWORD}';"
            script += f"GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'{host}';"
        self.execute(script, database="mysql")

    def _run(self, words: Sequence[str]) -> None:
        done = subprocess.run([*self._prefix, *words], capture_output=True, timeout=_START_SECONDS, check=False)
        if done.returncode:
            raise SystemExit(f"{words[0]} failed: {done.stdout.decode()}{done.stderr.decode()}")

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_START_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_START_SECONDS)
        shutil.rmtree(self._scratch, ignore_errors=True)
