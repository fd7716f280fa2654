"""Programs that people have beside Kafka, made of what the stack brings."""

import shlex
from pathlib import Path

from consumer.stack import java
from consumer.stack.artifacts import Artifacts
from consumer.stack.progress import Terminal


def lay(folder: Path) -> None:
    """`kafka-configs.sh`, as Kafka's own archive has it."""
    scratch = folder / "java"
    scratch.mkdir(parents=True)
    jars = Artifacts(Terminal(quiet_steps=True)).jars("kafka")
    command = java.command(java.Program(classpath=jars, main="kafka.admin.ConfigCommand", quick=True), scratch)
    program = folder / "kafka-configs.sh"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command.argv)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
