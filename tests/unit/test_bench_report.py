"""Where `headrace bench report` writes its page, and what it says where it can't."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from consumer.bench.commands import app
from consumer.bench.store import Result, Store


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of its own, in which something was measured."""
    monkeypatch.chdir(tmp_path)
    result = Result(scenario="fresh", contender="consume", size=1_000, rate=1.0, seconds=1.0, wall_seconds=1.0)
    Store(Path("measured")).add(result)
    return tmp_path


def _report(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["report", "--data-dir", "measured", *words], catch_exceptions=False)
    return done.exit_code, done.stderr


@pytest.mark.parametrize("place", ["docs", "."])
@pytest.mark.parametrize("about", ["benchmarks", "scaling"])
def test_the_page_goes_into_docs_or_where_there_are_none_here(here: Path, place: str, about: str) -> None:
    """What is written says where."""
    (here / place).mkdir(exist_ok=True)
    page = Path(place, f"{about}.md")
    assert _report("--about", about) == (0, f"written: {page}\n")
    assert page.is_file()


@pytest.mark.parametrize("file", ["nowhere/page.md", "measured", "measured/results.json/page.md"])
def test_a_page_that_cannot_be_written_is_refused_by_its_path(file: str) -> None:
    """With what to do, and without a trace."""
    code, said = _report("--file", file)
    assert code == 1
    assert file in said
    assert "--file" in said
