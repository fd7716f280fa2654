"""The source's session: what it refuses, what it can't do, and where its log is taken to end."""

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from consumer.core.failure import Persistent, Refused, Transient
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


ENDS = {"0/3000060": "0/3000060", "0/3000018": "0/3000000", "1/3002028": "1/3002000", "0/3002018": "0/3002000"}


@pytest.mark.parametrize("lsn", ENDS)
def test_a_position_behind_the_header_of_a_page_is_the_page_s_begin(lsn: str) -> None:
    """Nothing would be written up to there while the source is at rest."""
    assert ended(lsn) == ENDS[lsn]
