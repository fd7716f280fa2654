"""The SQL that makes a dataset's rows and events; the same on the source and, for preloaded rows, on the target."""

import psycopg
from psycopg import sql

from consumer.bench.scenario import Dataset

_COMMIT_EVERY = 20_000


def create_tables(connection: psycopg.Connection, dataset: Dataset) -> None:
    """Drop the dataset's schema if it is there and make it anew, with empty tables."""
    schema = sql.Identifier(dataset.name)
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    columns = trusted(dataset.shape.definition)
    for table in dataset.tables:
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name(dataset, table), columns))


def preload(connection: psycopg.Connection, dataset: Dataset) -> None:
    """Insert the rows that are there before the first event."""
    if dataset.mix.preloaded:
        for table in dataset.tables:
            _insert(
                connection, dataset, table, f"SELECT g AS k, 0::bigint AS e FROM {_series(1, dataset.mix.preloaded)}"
            )


def run(connection: psycopg.Connection, dataset: Dataset) -> None:
    """Make the events of every table, in the order that `Mix` describes."""
    mix = dataset.mix
    for table in dataset.tables:
        if mix.inserts:
            first, last = mix.preloaded + 1, mix.preloaded + mix.inserts
            rows = f"SELECT g AS k, (g - {mix.preloaded})::bigint AS e FROM {_series(first, last)}"
            _insert(connection, dataset, table, rows)
        _update(connection, dataset, table)
        _delete(connection, dataset, table)
        _insert(connection, dataset, table, f"SELECT 0::bigint AS k, {mix.events}::bigint AS e")


def name(dataset: Dataset, table: str) -> sql.Identifier:
    """The table's qualified name."""
    return sql.Identifier(dataset.name, table)


def _insert(connection: psycopg.Connection, dataset: Dataset, table: str, rows: str) -> None:
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM ({}) AS rows ORDER BY e, k").format(
            name(dataset, table), trusted(dataset.shape.names), trusted(dataset.shape.values), trusted(rows)
        )
    )


def _update(connection: psycopg.Connection, dataset: Dataset, table: str) -> None:
    """One statement an event, so that the order of events is random and not that of a join."""
    mix = dataset.mix
    if not mix.updates:
        return
    # row 1 first, because that is where the beginning is seen
    order = f"SELECT 1 + g % {mix.rows} FROM {_series(0, mix.updates - 1)} ORDER BY g <> 0, hashint8(g)"
    body = sql.SQL("UPDATE {} SET {} WHERE id = k").format(name(dataset, table), trusted(dataset.shape.settings))
    _loop(connection, order, body, mix.inserts)


def _delete(connection: psycopg.Connection, dataset: Dataset, table: str) -> None:
    mix = dataset.mix
    if mix.deletes:
        query = sql.SQL("DELETE FROM {} WHERE id > {} AND id <= {}")
        connection.execute(query.format(name(dataset, table), mix.rows - mix.deletes, mix.rows))


def _loop(connection: psycopg.Connection, order: str, body: sql.Composed, events_before: int) -> None:
    block = sql.SQL(
        "DECLARE k bigint; e bigint := {}; BEGIN FOR k IN {} LOOP e := e + 1; {};"
        " IF e % {} = 0 THEN COMMIT; END IF; END LOOP; END"
    ).format(events_before, trusted(order), body, _COMMIT_EVERY)
    connection.execute(sql.SQL("DO {}").format(block.as_string(connection)))


def _series(first: int, last: int) -> str:
    return f"generate_series({first}::bigint, {last}::bigint) AS g"


def trusted(text: str) -> sql.SQL:
    """SQL of our own making: numbers and the constants of `shapes`."""
    return sql.SQL(text)
