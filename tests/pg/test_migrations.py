"""The control schema's versions."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from consumer.cli import app
from consumer.core.failure import Refused, Transient
from consumer.core.records import NO_TOPIC_ID
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.migrate import ensure, migrate, migrations, require, schema_version
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from consumer.stack.waiting import wait_until
from tests.pg.conftest import NUMBERS

ADDED = "-- expand: for the next version\nCREATE TABLE headrace.added (id integer)"
# seconds that a lock is waited for
SOON = 0.2
BREAK = "DROP TABLE headrace.added"


@pytest.fixture
def empty(server: str, session: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A session on a database without any control schema."""
    name = f"empty{next(NUMBERS)}"
    session.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(make_conninfo(server, dbname=name), autocommit=True) as connection:
        yield connection
    session.execute(f"DROP DATABASE {name}")


def test_migrating_twice_changes_nothing(empty: psycopg.Connection) -> None:
    """Every worker migrates at its start; only the first does anything."""
    assert schema_version(empty) == 0
    newest = migrations()[-1][0]
    assert [migrate(empty), migrate(empty)] == [newest, newest]

    applied = empty.execute("SELECT array_agg(version ORDER BY version) FROM headrace.migrations").fetchone()
    assert applied == ([version for version, _ in migrations()],)
    assert schema_version(empty) == newest


def test_versions_are_numbered_without_gaps() -> None:
    """A gap or a doubled number would be a migration that never runs."""
    assert [version for version, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_schema_of_each_older_version_is_brought_up_to_date(empty: psycopg.Connection) -> None:
    """What stood in it stays; a later version ends as one that was made in one go."""
    position = (
        "INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch) VALUES ('g', 't', 0, 7, 1)"
    )
    whole = _columns_after(empty, migrations())
    for place in range(1, len(migrations())):
        assert _columns_after(empty, migrations()[:place], position) == whole
        assert empty.execute("SELECT next_offset FROM headrace.positions").fetchall() == [(7,)]


def _columns_after(empty: psycopg.Connection, older: list[tuple[int, str]], then: str = "SELECT") -> object:
    """Every column of the schema when it was made by these migrations, used, and migrated to the end."""
    empty.execute("DROP SCHEMA IF EXISTS headrace CASCADE")
    empty.execute("CREATE SCHEMA headrace")
    empty.execute(
        "CREATE TABLE headrace.migrations (version integer PRIMARY KEY, applied_at timestamptz DEFAULT now())"
    )
    for version, text in older:
        empty.execute(text.encode())
        empty.execute("INSERT INTO headrace.migrations (version) VALUES (%s)", (version,))
    empty.execute(then.encode())
    migrate(empty)
    return empty.execute(
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema = 'headrace' AND table_name <> 'migrations' ORDER BY table_name, ordinal_position"
    ).fetchall()


def test_what_was_given_up_before_is_known_to_be_not_applied(empty: psycopg.Connection) -> None:
    """Unless it was read again, or will be, as its position was set back."""
    migrate(empty, migrations()[:36])
    empty.execute(
        "INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch) VALUES ('g', 't', 0, 7, 1)"
    )
    empty.execute("""
        INSERT INTO headrace.letters (group_name, topic, partition, "offset", state, kind, error_type, component,
            operation, detail, remedy, closed_at)
        SELECT 'g', 't', 0, n, CASE n WHEN 1 THEN 'dead' ELSE 'discarded' END, 'k', 'persistent', 'c', 'o', 'd', 'r',
            now()
        FROM unnest(ARRAY[1, 2, 5, 9]) AS n
    """)
    empty.execute("""
        INSERT INTO headrace.audit (group_name, actor, action, topic, partition, reason, details, happened_at)
        VALUES ('g', 'a person', 'set position', 't', 0, 'again', '{"to": 4}', now() + interval '1 s')
    """)
    migrate(empty)
    found = empty.execute("SELECT start_offset, end_offset FROM headrace.unapplied").fetchall()
    assert found == [(2, 3)]


def test_how_far_a_position_has_been_is_known_of_those_that_were_set_back(empty: psycopg.Connection) -> None:
    """By what the audit says."""
    migrate(empty, migrations()[:36])
    empty.execute(
        "INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch) VALUES ('g', 't', 0, 7, 1)"
    )
    empty.execute("""
        INSERT INTO headrace.audit (group_name, actor, action, topic, partition, reason, details)
        VALUES ('g', 'a person', 'set position', 't', 0, 'again', '{"from": 90, "to": 4, "topic_id": {"from": null}}'),
            ('g', 'a person', 'set position', 't', 0, 'cut', '{"from": 95, "to": 90, "stopped": "log.truncated"}')
    """)
    migrate(empty)
    assert empty.execute("SELECT furthest FROM headrace.positions").fetchall() == [(90,)]


def test_the_audit_is_not_read_once_for_each_position(empty: psycopg.Connection) -> None:
    """Both may be large, nothing is ever taken from the audit, and workers wait meanwhile."""
    migrate(empty, migrations()[:36])
    empty.execute("""
        INSERT INTO headrace.positions (group_name, topic, partition, topic_id, next_offset, epoch)
        SELECT 'g', 't', n, 'id', 100, 1 FROM generate_series(0, 49) AS n
    """)
    empty.execute("""
        INSERT INTO headrace.audit (group_name, actor, action, topic, partition, reason, details)
        SELECT 'g', 'a person', 'set position', 't', n % 50, 'again',
            jsonb_build_object('from', 200 + n, 'topic_id', jsonb_build_object('from', 'id'), 'to', 4)
        FROM generate_series(0, 999) AS n
    """)
    empty.execute("ANALYZE")
    dsn = make_conninfo(empty.info.dsn, password=empty.info.password)
    scans = "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'audit'"
    ((before,),) = empty.execute(scans).fetchall()
    with connect(SessionSettings(dsn=dsn, worker="migrate")) as session:
        migrate(session, migrations()[:37])
        # told to those who ask
        session.execute("SELECT pg_stat_force_next_flush()")
    ((after,),) = empty.execute(scans).fetchall()
    assert after - before < 10
    furthest = "SELECT min(furthest), max(furthest) FROM headrace.positions"
    assert empty.execute(furthest).fetchall() == [(1150, 1199)]


@pytest.mark.provokes("target.newer")
def test_a_newer_schema_is_refused(empty: psycopg.Connection) -> None:
    """An older program must not write into what it does not know."""
    newest = migrate(empty)
    empty.execute("INSERT INTO headrace.migrations (version) VALUES (%s)", (newest + 1,))
    with pytest.raises(Refused) as caught:
        migrate(empty)

    assert caught.value.failure.kind == "target.newer"
    assert "newer" in caught.value.failure.remedy
    assert schema_version(empty) == newest + 1


def later(*texts: str) -> list[tuple[int, str]]:
    """The migrations of a later program."""
    known = migrations()
    return [*known, *enumerate(texts, start=known[-1][0] + 1)]


def test_a_program_goes_on_behind_a_migration_that_only_adds(empty: psycopg.Connection) -> None:
    """Workers of an upgrade's older version open sessions all along; a later break ends them."""
    newest = migrate(empty)
    assert migrate(empty, later(ADDED)) == newest + 1
    ensure(empty, SOON)
    require(empty)
    assert migrate(empty) == newest + 1

    assert migrate(empty, later(ADDED, BREAK)) == newest + 2
    for look in (lambda: ensure(empty, SOON), lambda: require(empty), lambda: migrate(empty)):
        with pytest.raises(Refused) as caught:
            look()
        assert caught.value.failure.kind == "target.newer"


def test_what_older_programs_migrated_counts_as_a_break(empty: psycopg.Connection) -> None:
    """They wrote no least version, so whoever does not know theirs is refused."""
    newest = migrate(empty)
    empty.execute("ALTER TABLE headrace.migrations DROP COLUMN oldest")
    ensure(empty, SOON)
    empty.execute("INSERT INTO headrace.migrations (version) VALUES (%s)", (newest + 1,))
    with pytest.raises(Refused):
        require(empty)


def test_a_migration_does_not_hold_workers_up_for_long(empty: psycopg.Connection) -> None:
    """It gives up its place in the queue for a lock that a batch has, and nothing of it is left."""
    migrate(empty)
    dsn = make_conninfo(empty.info.dsn, password=empty.info.password)
    slow = later("ALTER TABLE headrace.positions ADD COLUMN more integer")
    with psycopg.connect(dsn) as batch, connect(SessionSettings(dsn=dsn, worker="migrate")) as session:
        batch.execute("LOCK TABLE headrace.positions IN ROW EXCLUSIVE MODE")
        begun = time.monotonic()
        with pytest.raises(Transient) as caught:
            migrate(session, slow, lock_timeout=0.2)
        # not as long as a session may wait
        assert time.monotonic() - begun < 15
        assert caught.value.failure.kind == "target.locked"
        assert schema_version(empty) == slow[-2][0]
        batch.rollback()
        assert migrate(session, slow, lock_timeout=0.2) == slow[-1][0]


def test_a_worker_that_migrates_holds_others_up_no_longer_than_the_command_does(empty: psycopg.Connection) -> None:
    """It would have queued for a lock in front of them as long as a session may."""
    migrate(empty, migrations()[:36])
    dsn = make_conninfo(empty.info.dsn, password=empty.info.password)
    settings = SessionSettings(dsn=dsn, worker="migrate", batch_deadline=20.0, change_lock_timeout=0.2)
    sink = PostgresSink(settings, "g")
    pool = TargetPool(settings, CircuitBreaker("target"))
    with psycopg.connect(dsn) as batch, closing(pool), closing(sink):
        batch.execute("LOCK TABLE headrace.positions IN ROW EXCLUSIVE MODE")
        for opened in (sink.open, lambda: pool.ask(schema_version)):
            with pytest.raises(Transient) as caught:
                opened()
            assert caught.value.failure.kind == "target.locked"


def test_a_migration_takes_the_time_that_it_takes(empty: psycopg.Connection) -> None:
    """One that may not would begin again and again, and come to no end."""
    migrate(empty)
    dsn = make_conninfo(empty.info.dsn, password=empty.info.password)
    slow = later("SELECT pg_sleep(1)")
    with connect(SessionSettings(dsn=dsn, worker="migrate", batch_deadline=0.1)) as session:
        assert migrate(session, slow) == slow[-1][0]
        assert session.execute("SHOW statement_timeout").fetchone() == ("125ms",)


@pytest.fixture
def headrace(empty: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command on that database."""
    monkeypatch.setenv("HEADRACE_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("HEADRACE_KAFKA__TOPICS", '["t"]')
    monkeypatch.setenv("HEADRACE_REGISTRY__URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HEADRACE_TARGET__DSN", make_conninfo(empty.info.dsn, password=empty.info.password))
    return lambda *words: CliRunner().invoke(app, words)


def test_the_command_migrates_and_says_the_version(empty: psycopg.Connection, headrace: Callable[..., Result]) -> None:
    """Without a worker, Kafka or registry; a second time there is nothing to do."""
    newest = migrations()[-1][0]
    for said in (f"had version 0, and has {newest}", "nothing to do"):
        done = headrace("migrate")
        assert (done.exit_code, done.stdout, said in done.stderr) == (0, f"{newest}\n", True)
    assert schema_version(empty) == newest


def test_two_commands_at_once_migrate_once(empty: psycopg.Connection) -> None:
    """A hook that is tried again while the first one still runs."""
    dsn = make_conninfo(empty.info.dsn, password=empty.info.password)
    outcomes: list[int] = []

    def one() -> None:
        with connect(SessionSettings(dsn=dsn, worker="migrate")) as session:
            outcomes.append(migrate(session, lock_timeout=20))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert outcomes == [migrations()[-1][0]] * 2


def test_the_command_ends_when_its_time_is_over(
    headrace: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the failure of the last attempt."""
    monkeypatch.setenv("HEADRACE_TARGET__DSN", "host=127.0.0.1 port=1")
    done = headrace("migrate", "--wait", "0")
    assert (done.exit_code, "target.connection" in done.stderr) == (1, True)


def test_the_command_tries_again_while_somebody_is_in_the_way(
    empty: psycopg.Connection, headrace: Callable[..., Result]
) -> None:
    """It says so, and ends when it is through."""
    dsn = make_conninfo(empty.info.dsn, password=empty.info.password)
    migrate(empty, migrations()[:36])
    holder = psycopg.connect(dsn)
    holder.execute("LOCK TABLE headrace.positions IN ROW EXCLUSIVE MODE")

    def waits() -> bool:
        query = "SELECT count(*) FROM pg_locks WHERE relation = 'headrace.positions'::regclass AND NOT granted"
        return empty.execute(query).fetchone() != (0,)

    def release() -> None:
        # the first attempt came, and was given up
        wait_until(waits, 60)
        wait_until(lambda: not waits(), 60)
        holder.close()

    releasing = threading.Thread(target=release)
    releasing.start()
    done = headrace("migrate", "--wait", "120")
    releasing.join()
    assert (done.exit_code, "not yet: " in done.stderr) == (0, True)


def test_the_id_that_old_brokers_tell_of_each_topic_is_none(empty: psycopg.Connection) -> None:
    """Not what was stored of it, nor what programs of before store; what is known of the position stays."""
    insert = "INSERT INTO headrace.positions (group_name, topic, partition, topic_id, next_offset, epoch) VALUES "
    migrate(empty, migrations()[:38])
    empty.execute(insert.encode() + b"('g', 't', 0, %s, 7, 1)", (NO_TOPIC_ID,))
    empty.execute("INSERT INTO headrace.unapplied VALUES ('g', 't', 0, 2, 3)")
    migrate(empty)
    empty.execute(insert.encode() + b"('g', 't', 1, %s, 7, 1)", (NO_TOPIC_ID,))
    ids = "SELECT array_agg(topic_id ORDER BY partition) FROM headrace.positions"
    assert empty.execute(ids).fetchone() == ([None, None],)
    empty.execute("UPDATE headrace.positions SET topic_id = partition")
    assert empty.execute(ids).fetchone() == (["0", "1"],)
    assert empty.execute("SELECT start_offset, end_offset FROM headrace.unapplied").fetchall() == [(2, 3)]
