"""Every kind of failure is made by some test in the component where it occurs: the marks `provokes` say by which."""

from collections import defaultdict
from pathlib import Path

import pytest

from consumer.core.kinds import KINDS

TESTS = Path(__file__).parents[1]
# kind to the reason why no test can make it
IMPOSSIBLE: dict[str, str] = {}


class Marked:
    """Notes which tests are marked, by kind."""

    def __init__(self) -> None:
        self.tests: dict[str, set[str]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Every test that was collected, whatever is run of them."""
        for item in items:
            for mark in item.iter_markers("provokes"):
                for kind in mark.args:
                    self.tests[kind].add(item.nodeid)


@pytest.fixture(scope="module")
def marked() -> Marked:
    """All tests of the project, collected once and not run."""
    found = Marked()
    words = ["--collect-only", "--quiet", "-p", "no:cacheprovider", "-c", str(TESTS.parent / "pyproject.toml")]
    assert pytest.main([*words, str(TESTS)], plugins=[found]) == pytest.ExitCode.OK
    return found


def test_every_kind_is_provoked(marked: Marked) -> None:
    """Or it is said why not; nobody marks a kind that is not there."""
    assert KINDS.keys() - marked.tests.keys() == IMPOSSIBLE.keys()
    assert marked.tests.keys() <= KINDS.keys()
