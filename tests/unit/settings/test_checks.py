"""Checks of columns: every rule, and those that can not be meant."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from consumer.composition.binding_settings import binder_settings
from consumer.core.checks import Rules
from consumer.settings.loading import load
from tests.unit.settings.refusal import refused


def test_a_column_has_checks(tmp_path: Path) -> None:
    """By table and column; numbers are exact, and days and times are those of TOML."""
    file = tmp_path / "mine.toml"
    file.write_text(
        '[tables."public.orders".checks]\n'
        "amount = {min = 0.1, max = 1e6, not_null = true}\n"
        'code = {pattern = "^[A-Z]+$", length = 3}\n'
        'state = {in = ["a", "b"]}\nn = {in = [1, 2]}\nflag = {in = [true]}\n'
        'mail = {format = "email"}\nborn = {min = 1900-01-01, past = true}\nat = {max = 2030-01-01T00:00:00Z}\n'
    )
    checks = binder_settings(load(file)).checks["public.orders"]

    assert checks == {
        "amount": Rules(min=Decimal("0.1"), max=Decimal(1_000_000), not_null=True),
        "code": Rules(pattern="^[A-Z]+$", length=3),
        "state": Rules(allowed=("a", "b")),
        "n": Rules(allowed=(1, 2)),
        "flag": Rules(allowed=(True,)),
        "mail": Rules(format="email"),
        "born": Rules(min=date(1900, 1, 1), past=True),
        "at": Rules(max=datetime(2030, 1, 1, tzinfo=UTC)),
    }


@pytest.mark.parametrize(
    ("check", "says"),
    [
        pytest.param("{}", "at least one rule", id="nothing"),
        pytest.param("{not_null = false}", "at least one rule", id="nothing said"),
        pytest.param('{pattern = "("}', "not a regular expression", id="a broken pattern"),
        pytest.param('{pattern = "(?=a)"}', "without look-around", id="look-around"),
        pytest.param("{in = []}", "at least 1 item", id="no values"),
        pytest.param("{min = 2, max = 1}", "min is not more than max", id="an empty range"),
        pytest.param("{min = 2, max = 2020-01-01}", "of one kind", id="a number and a day"),
        pytest.param("{length = 1, max_length = 2}", "length is exact", id="two lengths"),
        pytest.param("{min_length = 2, max_length = 1}", "must not be more", id="no length"),
        pytest.param("{length = -1}", "greater than or equal to 0", id="less than nothing"),
        pytest.param('{format = "mail"}', "'email'", id="an unknown format"),
        pytest.param("{maximum = 1}", "not a setting", id="an unknown rule"),
        pytest.param('{min = "sesame"}', "tables.public.orders.checks.x", id="no number"),
    ],
)
def test_a_check_that_can_not_be_meant_is_refused_at_the_start(tmp_path: Path, check: str, says: str) -> None:
    """With its table and column, and without what was written there."""
    file = tmp_path / "mine.toml"
    file.write_text(f'[tables."public.orders".checks]\nx = {check}\n')
    said = refused(file)

    assert "tables.public.orders.checks.x" in said
    assert says in said
    assert "sesame" not in said
