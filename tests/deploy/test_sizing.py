"""The sizing page has no figure of its own."""

import re
from math import ceil

import pytest

from tests.deploy.dockerfile import ROOT

PLACES = {"fresh rows": "a", "updates over a million rows": "b", "200 tables": "e"}


def workers(page: str) -> dict[str, list[str]]:
    """Rate, CPU and memory of one worker, by the kind of changes."""
    table = page.partition("## One worker")[2].partition("- **CPU.**")[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    return {name: figures for name, *figures in lines[2:]}


def sessions_of(benchmarks: str) -> dict[str, int]:
    """What one session of the database takes in a second, by the scenario's letter."""
    found = re.findall(r"^## \((\w)\)(.*?)(?=^## )", benchmarks, re.MULTILINE | re.DOTALL)
    rates = {letter: re.search(r"^\| copy-upsert \| \d+ \| ([\d,]+) ", text, re.MULTILINE) for letter, text in found}
    return {letter: int(rate[1].replace(",", "")) for letter, rate in rates.items() if rate}


def test_what_a_rate_takes_follows_from_one_worker_and_one_session() -> None:
    """Cores by unit costs, workers with twice the rate, sessions by what one takes."""
    page, benchmarks = ((ROOT / name).read_text() for name in ("docs/sizing.md", "docs/benchmarks.md"))
    table = page.partition("## More than one database takes")[2].partition("Reading and decoding")[0]
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if re.match(r"\| \d", line)
    ]
    assert len(lines) == 9
    for events, kind, cores, number, sessions in lines:
        rate, (alone, cpu, _) = int(events.replace(",", "")), workers(page)[kind]
        session = sessions_of(benchmarks)[PLACES[kind]]
        assert float(cores) == pytest.approx(rate * float(cpu) / 1e6, abs=0.06)
        assert int(number) == ceil(2 * rate / int(alone.replace(",", "")))
        assert float(sessions) == pytest.approx(rate / session, abs=0.06)


def test_every_figure_of_a_worker_stands_in_the_benchmarks() -> None:
    """Rates, CPU and memory; who runs the benchmarks anew changes both."""
    page, benchmarks = ((ROOT / name).read_text() for name in ("docs/sizing.md", "docs/benchmarks.md"))
    measured = set(re.findall(r"[\d,.]*\d", benchmarks))
    rows = workers(page)
    assert len(rows) == 5
    assert {cell for row in rows.values() for cell in row} <= measured
    assert {"374,619", "148,616", "27.3", "53.1"} <= measured & set(re.findall(r"[\d,.]*\d", page))


def test_it_says_of_how_many_runs_they_are() -> None:
    """Headrace's medians; other rows of the benchmarks may have more."""
    page, benchmarks = ((ROOT / name).read_text() for name in ("docs/sizing.md", "docs/benchmarks.md"))
    runs = set(re.findall(r"^\| headrace \| (\d+) \| [\d,]+ \| [\d.]+ \| \d+ ", benchmarks, re.MULTILINE))
    assert runs == {"3"}
    assert "three runs each" in " ".join(page.partition("## One worker")[0].split())
