"""How commands ask and end."""

import pytest
import typer

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
    monkeypatch.setattr(output.sys, "stdin", Stdin(terminal))
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: answer == "y")
    if done:
        output.agreed("Sure?", yes=yes)
        return
    with pytest.raises(typer.Exit) as caught:
        output.agreed("Sure?", yes=yes)
    assert caught.value.exit_code == output.REFUSED
