"""The source's session: what it refuses, what it can't do, and where its log is taken to end."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from consumer.core.failure import Persistent, Refused, Transient
from consumer.core.target import TableName
from consumer.edges.postgres.describing import read_table
from consumer.edges.postgres.source import Slot, SourceSettings, asking, connect_source, ended
from consumer.ports.reconcile import Mark


@pytest.mark.provokes("source.away")
def test_a_source_that_does_not_answer_is_waited_for(server: str) -> None:
    """Without its password in the message."""
    with pytest.raises(Transient) as caught:
        connect_source(SourceSettings(dsn=make_conninfo(server, port=1, password="canary")))
    assert caught.value.failure.kind == "source.away"
    assert "canary" not in str(caught.value)


@pytest.mark.provokes("source.refused")
@pytest.mark.parametrize("part", ["user", "dbname"])
def test_a_source_that_refuses_the_role_is_no_matter_of_time(server: str, part: str) -> None:
    """Nor a database that is not there."""
    with pytest.raises(Persistent) as caught:
        connect_source(SourceSettings(dsn=make_conninfo(server, **{part: "nobody"})))
    assert caught.value.failure.kind == "source.refused"


def test_an_address_that_is_none_is_refused() -> None:
    """Without a word of it."""
    with pytest.raises(Refused) as caught:
        connect_source(SourceSettings(dsn="canary:canary"))
    assert "canary" not in str(caught.value)


def test_nothing_is_written_at_the_source(server: str, schema: str) -> None:
    """The session can't."""
    with connect_source(SourceSettings(dsn=server)) as source, pytest.raises(Persistent), asking("write"):
        source.execute(f"CREATE TABLE {schema}.t (id int)".encode())


def test_a_statement_that_takes_too_long_is_given_up(server: str) -> None:
    """In the settings' time."""
    settings = SourceSettings(dsn=server, statement_timeout=0.1)
    with connect_source(settings) as source, pytest.raises(Transient) as caught, asking("sleep"):
        source.execute("SELECT pg_sleep(5)")
    assert caught.value.failure.code == "57014"


@pytest.mark.provokes("source.refused")
def test_a_slot_that_is_not_there_is_asked_for(session: psycopg.Connection) -> None:
    """By its name."""
    with pytest.raises(Persistent) as caught:
        Slot(session, "nobody's").came(Mark("0/1"))
    assert "source.slot" in caught.value.failure.detail


ROLE = Path(__file__).parents[2] / "deploy" / "postgres" / "reconcile-role.sql"


@pytest.fixture
def role(session: psycopg.Connection, server: str) -> Iterator[str]:
    """The role that is shipped, and a shop that it may read."""
    session.execute("CREATE SCHEMA shop")
    session.execute("CREATE TABLE shop.orders (id bigint PRIMARY KEY, word text)")
    session.execute("CREATE TABLE public.secrets (id bigint PRIMARY KEY)")
    session.execute(ROLE.read_bytes())
    session.execute("ALTER ROLE headrace_reconcile PASSWORD 'canary'")
    yield make_conninfo(server, user="headrace_reconcile", password="canary")
    session.execute("DROP OWNED BY headrace_reconcile")
    session.execute("DROP SCHEMA shop CASCADE")
    session.execute("DROP TABLE public.secrets")
    session.execute("DROP ROLE headrace_reconcile")


def test_the_role_that_is_shipped_reads_and_does_no_more(role: str) -> None:
    """Tables, and how far the connector is."""
    with connect_source(SourceSettings(dsn=role)) as source:
        assert read_table(source, TableName("shop", "orders"), asking).columns.keys() == {"id", "word"}
        with asking("read"):
            assert source.execute("SELECT * FROM shop.orders").fetchall() == []
            assert source.execute("SELECT pg_has_role('pg_read_all_stats', 'USAGE')").fetchall() == [(True,)]
        source.execute("SET default_transaction_read_only = off")
        for statement in ("INSERT INTO shop.orders VALUES (1)", "SELECT * FROM public.secrets", "CREATE TABLE t ()"):
            with pytest.raises(Persistent) as caught, asking("more"):
                source.execute(statement.encode())
            assert caught.value.failure.code == "42501"


ENDS = {"0/3000060": "0/3000060", "0/3000018": "0/3000000", "1/3002028": "1/3002000", "0/3002018": "0/3002000"}


@pytest.mark.parametrize("lsn", ENDS)
def test_a_position_behind_the_header_of_a_page_is_the_page_s_begin(lsn: str) -> None:
    """Nothing would be written up to there while the source is at rest."""
    assert ended(lsn) == ENDS[lsn]
