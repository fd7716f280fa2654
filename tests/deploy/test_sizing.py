"""The sizing page has no figure of its own."""

import re

from tests.deploy.dockerfile import ROOT


def test_every_figure_of_a_worker_stands_in_the_benchmarks() -> None:
    """Rates, CPU and memory; who runs the benchmarks anew changes both."""
    page, benchmarks = ((ROOT / name).read_text() for name in ("docs/sizing.md", "docs/benchmarks.md"))
    measured = set(re.findall(r"[\d,.]*\d", benchmarks))
    rows = [line.split("|")[2:5] for line in page.splitlines() if re.match(r"\| [a-z0-9].*\| [\d,]+ \|", line)]
    assert len(rows) == 5
    assert {cell.strip() for row in rows for cell in row} <= measured
    assert {"424,655", "168,445", "38.3", "73.9"} <= measured & set(re.findall(r"[\d,.]*\d", page))
