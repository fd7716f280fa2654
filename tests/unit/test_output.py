"""How commands ask and end."""

import sys
from importlib.metadata import version

import pytest
import typer
from typer.testing import CliRunner

from consumer.cli import app
from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.operate import output


class Stdin:
    """A terminal, or none."""

    def __init__(self, terminal: bool) -> None:
        self.isatty = lambda: terminal


@pytest.mark.parametrize(
    ("yes", "terminal", "answer", "done"),
    [
        pytest.param(True, False, "", True, id="agreed beforehand"),
        pytest.param(False, False, "y", False, id="nobody can answer"),
        pytest.param(False, True, "y", True, id="a person agrees"),
        pytest.param(False, True, "n", False, id="a person does not"),
    ],
)
def test_what_changes_something_is_agreed_to(
    yes: bool, terminal: bool, answer: str, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By --yes, or by a person at a terminal; else the command ends as refused."""
    monkeypatch.setattr(sys, "stdin", Stdin(terminal))
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: answer == "y")
    if done:
        output.agreed("Sure?", yes=yes)
        return
    with pytest.raises(typer.Exit) as caught:
        output.agreed("Sure?", yes=yes)
    assert caught.value.exit_code == output.REFUSED


@pytest.mark.parametrize(
    ("remedy", "told"),
    [
        (
            KINDS["target.connection"].remedy,
            "Give the command again when it is back; look at its address, the server and the network between.",
        ),
        (
            "Grant it; Headrace looks again by itself.",
            "Grant it; then give the command again.",
        ),
        (
            "Do it by hand, then Headrace goes on by itself: ALTER TABLE t",
            "Do it by hand, then give the command again: ALTER TABLE t",
        ),
        ("Correct it. Headrace asks again by itself.", "Correct it. Give the command again."),
        ("Correct it.", "Correct it."),
    ],
)
def test_a_command_does_not_say_that_it_goes_on(remedy: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends, whatever workers would do."""
    failure = failed(KINDS["target.connection"], "postgres", "connect", "no answer", remedy=remedy)
    with pytest.raises(typer.Exit) as ended, output.reported():
        raise Transient(failure)
    assert ended.value.exit_code == output.FAILED
    assert capsys.readouterr().err == f"no answer [postgres.connect: target.connection]. {told}\n"


def test_no_failure_says_to_a_command_that_headrace_goes_on() -> None:
    """Of none of the kinds that there are."""
    for kind in KINDS.values():
        told = output.asked_once(failed(kind, "a", "b", "c")).remedy
        assert "by itself" not in told or "follow a change" in told, told


def test_the_program_says_which_version_it_is() -> None:
    """On stdout, and nothing else."""
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"{version('headrace')}\n")
