"""Real servers of their own for tests that break things."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.stack.options import ALL_PARTS, StackOptions
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack


@pytest.fixture
def fresh_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Opens stacks that belong to one test: `fresh_stack(parts, options, name)`; all are closed afterwards.

    The same name opens the same data directory again, once the earlier stack there is closed.
    """
    opened: list[Stack] = []

    def make(parts: frozenset[str] = ALL_PARTS, options: StackOptions | None = None, name: str = "fresh") -> Stack:
        made = Stack.open(tmp_path / name, parts, options, Terminal(quiet_steps=True))
        opened.append(made)
        return made

    yield make
    for each in opened:
        each.close()
