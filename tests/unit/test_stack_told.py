"""What commands of the stack and the benchmark tell in a line, and what is left to whoever looks for its cause."""

import errno
from concurrent.futures import Future

import pytest
import typer

from consumer.bench.topics import answering
from consumer.core.failure import Transient
from consumer.stack.failures import told


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/data"), "/data: Permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/data"), "/data: No such file or directory"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    ],
)
def test_what_the_system_refuses_of_a_file_is_told(
    error: OSError, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its place, where the system says it."""
    with pytest.raises(typer.Exit), told():
        raise error
    assert line in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
    ],
)
def test_what_a_server_does_is_not_told_as_of_a_file(error: OSError) -> None:
    """No other directory would help there."""
    with pytest.raises(type(error)), told():
        raise error


def test_a_kafka_that_does_not_answer_is_told_of_the_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    """By name, and with where to look."""
    with pytest.raises(typer.Exit), told(), answering("create_topic"):
        Future[None]().result(0)
    assert "kafka has not answered within 30 s" in (said := capsys.readouterr().err)
    assert "Read the log of kafka." in said
    with pytest.raises(Transient), answering("create_topic"):
        Future[None]().result(0)
