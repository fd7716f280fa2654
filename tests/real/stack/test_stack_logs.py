"""Logs stay small under servers that write on and on, and what is shown of them goes across a cut."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from consumer.stack.options import KAFKA, REGISTRY, TARGET, StackOptions
from consumer.stack.stack import Stack
from consumer.stack.waiting import wait_until

Fresh = Callable[..., Stack]

_LIMIT = 20_000
_ROUNDS = 6
_CHATTY = StackOptions(target_settings={"log_statement": "all"}, log_bytes=_LIMIT)


def _sizes(log: Path) -> dict[str, int]:
    return {each.name: each.stat().st_size for each in log.parent.glob(f"{log.name}*")}


def _assert_cut(log: Path, limit: int) -> None:
    def is_cut() -> bool:
        found = _sizes(log)
        return f"{log.name}.1" in found and found[log.name] <= limit

    assert wait_until(is_cut, 120), _sizes(log)


def _say(stack: Stack, word: str, size: int = _LIMIT // 5) -> None:
    """Has the target log one statement of this size that ends with the word."""
    with psycopg.connect(stack.endpoints.target_dsn, autocommit=True) as connection:
        connection.execute(f"SELECT 1 /* {'x' * size} */ AS {word}")


def test_a_log_that_is_written_on_and_on_keeps_a_bounded_size(fresh_stack: Fresh) -> None:
    """Twelve times the limit leaves the log and one earlier part, with the newest lines."""
    stack = fresh_stack(frozenset({TARGET}), _CHATTY)
    log = stack.log_path(TARGET)
    for number in range(_ROUNDS):
        for _ in range(10):
            _say(stack, f"round_{number}")
        _assert_cut(log, _LIMIT)
    assert set(_sizes(log)) == {"target.log", "target.log.1"}
    assert sum(_sizes(log).values()) < 4 * _LIMIT
    assert f"round_{_ROUNDS - 1}" in log.with_name("target.log.1").read_text()


def test_what_is_shown_of_a_log_goes_across_a_cut(fresh_stack: Fresh) -> None:
    """The lines from before the cut stand in front of the ones after it."""
    stack = fresh_stack(frozenset({TARGET}), _CHATTY)
    _say(stack, "before", 2 * _LIMIT)
    _assert_cut(stack.log_path(TARGET), 1_000)
    _say(stack, "after")
    shown = stack.logs(TARGET, 50)
    assert shown.index("AS before") < shown.index("AS after")


@pytest.mark.parametrize(("name", "last_word"), [(KAFKA, "unregistered"), (REGISTRY, "stopped in")])
def test_a_java_server_goes_on_writing_where_its_log_was_cut(fresh_stack: Fresh, name: str, last_word: str) -> None:
    """What it says at its end stands at the beginning of the file, not behind a hole of its old size."""
    stack = fresh_stack(frozenset({name}), StackOptions(log_bytes=500))
    _assert_cut(stack.log_path(name), 500)
    stack.stop_part(name)
    shown = stack.logs(name)
    assert last_word in shown
    assert "\0" not in shown
