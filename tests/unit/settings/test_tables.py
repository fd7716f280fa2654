"""What is set for one table, one column or one topic, by name."""

from pathlib import Path

import pytest

from consumer.composition.binding_settings import binder_settings
from consumer.core.failure import Refused
from consumer.core.target import TableName
from consumer.core.types import ColumnPolicy
from consumer.settings.loading import load
from tests.unit.settings.refusal import refused


def test_a_table_has_a_policy_for_its_letters(tmp_path: Path) -> None:
    """Copies by default, and only partial images wait."""
    file = tmp_path / "mine.toml"
    file.write_text('[tables."public.orders"]\nletters = "pointer"\nstrict = true\n[tables."public.lines"]\n')
    tables = load(file).tables

    assert (tables["public.orders"].letters, tables["public.orders"].strict) == ("pointer", True)
    assert (tables["public.lines"].letters, tables["public.lines"].strict) == ("copy", False)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        pytest.param(
            "hash = true", "secrets.hash_key is required by hash of public.orders.x", id="a hash without a key"
        ),
        pytest.param('mask = "x"\nerase = true', "only one of mask, erase and hash", id="two in one place"),
        pytest.param(f'rename = "{"é" * 32}"', "longer than PostgreSQL's 63 bytes", id="a long name"),
        pytest.param('rename = ""', "at least 1 character", id="no name"),
    ],
)
def test_a_mapping_that_can_not_be_meant_is_refused_at_the_start(tmp_path: Path, column: str, says: str) -> None:
    """With its table and column."""
    file = tmp_path / "mine.toml"
    file.write_text(f'[tables."public.orders".columns.x]\n{column}\n')

    assert says in refused(file)


def test_a_topic_has_a_contract(tmp_path: Path) -> None:
    """Which is read when a worker is built; without one there is nothing to be compatible with."""
    file, contract = tmp_path / "mine.toml", tmp_path / "row.avsc"
    contract.write_text('{"type": "record", "name": "Value", "fields": [{"name": "id", "type": "long"}]}')
    here = '[topics."shop.public.orders"]\n'
    file.write_text(f"{here}contract = {str(contract)!r}\n")
    bound = binder_settings(load(file)).contracts

    assert (bound["shop.public.orders"].name, bound["shop.public.orders"].compatibility) == (str(contract), "forward")
    for said in ('compatibility = "full"', 'table = "a.b"\ncompatibility = "full"', ""):
        file.write_text(f"{here}{said}\n")
        assert "a topic has a table, a contract or schema_ids" in refused(file)


def test_a_topic_has_a_table_of_its_own(tmp_path: Path) -> None:
    """A plain name, or a template; the others have that of all."""
    file = tmp_path / "mine.toml"
    file.write_text('[topics."shop.public.orders"]\ntable = "archive.orders_2024"\n')
    settings = binder_settings(load(file))
    assert settings.named("shop.public.orders") == "archive.orders_2024"
    assert settings.named("shop.public.lines") == "{schema}.{table}"
    assert settings.contracts == {}
    for wrong in ("orders", "a.{nothing}", "a.b.c", "a.{table!r}"):
        file.write_text(f'[topics."shop.public.orders"]\ntable = "{wrong}"\n')
        assert "topics.shop.public.orders.table" in refused(file)


def test_a_column_has_a_policy_of_its_own(tmp_path: Path) -> None:
    """It is bound by the table's name and the column's; others have none."""
    file = tmp_path / "mine.toml"
    here = '[tables."public.orders".columns."a b"]\n'
    file.write_text(here + 'zero_bytes = "strip"\nbinary = "base64-url-safe"\ntype = "shop.mood[]"\n')
    settings = binder_settings(load(file))
    orders, lines = TableName("public", "orders"), TableName("public", "lines")

    wanted = ColumnPolicy(zero_bytes="strip", binary="base64-url-safe", type="shop.mood[]")
    assert settings.policy(orders, "a b") == wanted
    assert settings.policy(orders, "b") == settings.policy(lines, "a b") == ColumnPolicy()
    for wrong in ('zero_bytes = "no"', 'binary = "bytes"', 'type = "text; DROP TABLE x"', 'type = ""', "other = 1"):
        file.write_text(here + wrong + "\n")
        with pytest.raises(Refused, match=rf"tables\.public\.orders\.columns\.a b\.{wrong.split()[0]}"):
            load(file)


def test_a_version_column_has_a_name_that_postgresql_takes(tmp_path: Path) -> None:
    """None by default."""
    file = tmp_path / "mine.toml"
    file.write_text(f'[tables."public.orders"]\nversion_column = "{"é" * 31}"\n[tables."public.lines"]\n')
    tables = load(file).tables
    assert (tables["public.orders"].version_column, tables["public.lines"].version_column) == ("é" * 31, None)

    for name in ("", "é" * 32):
        file.write_text(f'[tables."public.orders"]\nversion_column = "{name}"\n')
        with pytest.raises(Refused, match=r"tables\.public\.orders\.version_column"):
            load(file)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", ["orders", "public.", ".orders", r"public.orders\u0000"])
def test_a_policy_of_a_table_without_its_schema_is_refused(name: str, tmp_path: Path) -> None:
    """Nobody would find it, and what it forbids would pass."""
    file = tmp_path / "mine.toml"
    file.write_text(f'[tables."{name}"]\nexclude = ["note"]\n')
    said = refused(file)
    assert "a table is named with its schema" in said
    assert "1 mistake:" in said


@pytest.mark.parametrize("section", ['[tables."public.t"]\nstrict = "maybe"', '[topics."t"]\nschema_ids = "nowhere"'])
def test_a_mistake_in_a_section_by_name_names_no_variable_that_there_is_not(tmp_path: Path, section: str) -> None:
    """Such sections are in the file alone."""
    path = tmp_path / "headrace.toml"
    path.write_text(section)
    with pytest.raises(Refused) as refused:
        load(path)
    assert "(set it in headrace.toml)" in refused.value.failure.detail
    assert "HEADRACE_" not in refused.value.failure.detail
