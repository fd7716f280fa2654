"""The schema registry: Apicurio with its database in a file, so that ids survive every kind of end."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from consumer.stack import java, loopback
from consumer.stack.part import Run
from consumer.stack.ports import LOOPBACK
from consumer.stack.process import Command

CONFLUENT_PATH = "/apis/ccompat/v7"
APICURIO_PATH = "/apis/registry/v2"
_PROBE_PATHS = ("/health/ready", f"{CONFLUENT_PATH}/subjects")
_PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The registry. `program` is the unpacked distribution."""

    name: str
    directory: Path
    port: int
    program: Path
    heap_mb: int
    archive: java.Archive
    # certificate and key, and the port where they are shown
    tls: tuple[Path, Path, int] | None = None

    def prepare(self, run: Run) -> None:
        """Nothing to do: the database makes itself."""

    def command(self) -> Command:
        """The server itself.

        The distribution's default is a database in memory. The same one takes a file, writes each commit at once, and
        locks it by the operating system, so a killed registry starts again with all that it had answered.
        """
        database = f"jdbc:h2:file:{self.directory / 'registry'};WRITE_DELAY=0;FILE_LOCK=FS;DB_CLOSE_ON_EXIT=FALSE"
        properties = {
            "quarkus.http.host": LOOPBACK,
            "quarkus.http.port": str(self.port),
            "quarkus.datasource.jdbc.url": database,
            "quarkus.datasource.jdbc.min-size": "2",
            "quarkus.datasource.jdbc.initial-size": "2",
            "quarkus.datasource.jdbc.max-size": "16",
            "java.util.logging.manager": "org.jboss.logmanager.LogManager",
        }
        if self.tls is not None:
            certificate, key, port = self.tls
            properties |= {
                "quarkus.http.ssl-port": str(port),
                "quarkus.http.ssl.certificate.files": str(certificate),
                "quarkus.http.ssl.certificate.key-files": str(key),
            }
        (runner,) = self.program.glob("*-runner.jar")
        main = "io.quarkus.runner.GeneratedMain"
        program = java.Program(
            classpath=(runner,),
            main=main,
            properties=properties,
            heap_mb=self.heap_mb,
            quick=True,
            archive=self.archive,
        )
        return java.command(program, self.directory)

    def ready(self) -> bool:
        """True when its health check and the Confluent API answer."""
        try:
            answers = [
                loopback.request("GET", f"http://{LOOPBACK}:{self.port}{path}", _PROBE_SECONDS) for path in _PROBE_PATHS
            ]
        except httpx.TransportError:
            return False
        return all(each.status_code == httpx.codes.OK for each in answers)
