"""Names of target tables."""

import pytest

from consumer.core.naming import BadName, check_template, table_name

SOURCE = {"db": "shop", "schema": "public", "table": "orders"}


@pytest.mark.parametrize(
    ("template", "source", "name"),
    [
        ("{schema}.{table}", SOURCE, ("public", "orders")),
        ("{db}.{schema}_{table}", SOURCE, ("shop", "public_orders")),
        ("landing.{topic}", SOURCE, ("landing", "a.b.c")),
        ("{schema}.{table}", {"db": "shop", "table": "orders"}, ("shop", "orders")),
        ("{schema}.{table}", {"db": "shop", "schema": None, "table": "orders"}, ("shop", "orders")),
        ("{schema}.{table}", {"schema": "a.b", "table": 'c."d'}, ("a.b", 'c."d')),
        ("{schema}.{table}", {"schema": "s", "table": "{db}"}, ("s", "{db}")),
        ("{schema}.{table}", {"schema": "s", "table": "é" * 31 + "x"}, ("s", "é" * 31 + "x")),
    ],
)
def test_a_template_names_the_table(template: str, source: dict[str, object], name: tuple[str, str]) -> None:
    """Dots, braces and quotes of source names stay what they are."""
    found = table_name(template, "a.b.c", source)

    assert (found.schema, found.name) == name


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"schema": "s", "table": ""}, "empty"),
        ({"table": "t"}, "empty"),
        ({"schema": "s", "table": "a\x00b"}, "zero byte"),
        ({"schema": "s", "table": "x" * 64}, "63 bytes"),
        ({"schema": "é" * 32, "table": "t"}, "63 bytes"),
    ],
)
def test_a_name_that_postgresql_would_change_is_refused(source: dict[str, object], why: str) -> None:
    """A name that is cut or empty could be another table's."""
    with pytest.raises(BadName, match=why):
        table_name("{schema}.{table}", "t", source)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{schema}.{table", "malformed"),
        ("{schema}.{name}", "unknown fields"),
        ("{table}", "schema.table"),
        ("a.b.{table}", "schema.table"),
        ("public.all", "schema.table"),
        ("{schema}.{}", "unknown fields"),
        ("{schema}.{table!r}", "alone between its braces"),
        ("{schema}.{table:d}", "alone between its braces"),
        ("{schema}.{table:>{db}}", "alone between its braces"),
    ],
)
def test_a_template_that_cannot_name_tables_is_refused(template: str, why: str) -> None:
    """Mistakes are found at the start, before any record is read."""
    with pytest.raises(BadName, match=why):
        check_template(template)


@pytest.mark.parametrize("template", ["{schema}.{table}", "x.{topic}", "{db}.{schema}_{table}"])
def test_a_sound_template_passes(template: str) -> None:
    """The documented forms are taken."""
    check_template(template)
