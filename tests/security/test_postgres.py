"""The target over TLS: `verify-full`, client certificates and passwords, right and wrong."""

from dataclasses import replace

import psycopg
import pytest

from tests.real.engine.feed import Feed, fresh_name
from tests.real.engine.worker import Job, Workers, eventually

from .conftest import PASSWORD, Database, Ground
from .test_kafka import examined, says


@pytest.fixture
def empty(database: Database) -> str:
    """A database of the test's own."""
    name = fresh_name("secured")
    with psycopg.connect(database.dsn(sslmode="require"), autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}")
    return name


def way(ground: Ground, kind: str) -> dict[str, str]:
    """Of a role that is known by its certificate, or by its password."""
    root = {"sslmode": "verify-full", "sslrootcert": str(ground.papers.ours.certificates)}
    if kind == "password":
        return {**root, "user": "alice", "password": PASSWORD}
    worker = ground.papers.worker
    return {**root, "user": "worker", "sslcert": str(worker.certificate), "sslkey": str(worker.key)}


def rows(database: Database, name: str) -> int | None:
    """Of the table, None while it is not there."""
    with psycopg.connect(database.dsn(sslmode="require", dbname=name)) as session:
        if session.execute("SELECT to_regclass('public.once')").fetchone() == (None,):
            return None
        row = session.execute("SELECT count(*) FROM public.once").fetchone()
    return None if row is None else int(row[0])


def job_of(ground: Ground, feed: Feed, dsn: str) -> Job:
    """A group that writes there."""
    return Job(at=ground.at, dsn=dsn, group=fresh_name("secured"), topics=(feed.topic,), stall=60.0)


@pytest.mark.parametrize("kind", ["certificate", "password"])
def test_the_right_papers_lead_from_topic_to_table(
    ground: Ground, database: Database, workers: Workers, feed: Feed, empty: str, kind: str
) -> None:
    """With the server's name checked."""
    job = job_of(ground, feed, database.dsn(dbname=empty, **way(ground, kind)))
    workers.until_current(job)
    assert rows(database, empty) == 30
    secure = examined(workers, job)["target.security"]
    assert (secure["level"], "verify-full" in secure["detail"]) == ("ok", True)


WRONG = {
    "another authority": "target.tls",
    "another name": "target.tls",
    "a certificate that has ended": "target.tls",
    "a stranger's certificate": "target.tls",
    "no certificate of ours": "target.tls",
    "no TLS": "target.login",
    "a wrong password": "target.login",
}


@pytest.mark.provokes("target.tls")
@pytest.mark.parametrize("what", WRONG)
def test_wrong_papers_are_refused_and_nothing_is_lost(
    ground: Ground, database: Database, workers: Workers, feed: Feed, empty: str, what: str
) -> None:
    """The worker says why, and waits for certificates; with the right ones everything is applied."""
    lasting = WRONG[what] == "target.login"
    papers, right = ground.papers, way(ground, "certificate")
    wrong = {
        "another authority": {**right, "sslrootcert": str(papers.others.certificates)},
        "a stranger's certificate": {
            **right, "sslcert": str(papers.stranger.certificate), "sslkey": str(papers.stranger.key),
        },
        "no certificate of ours": {name: value for name, value in right.items() if name not in ("sslcert", "sslkey")},
        "no TLS": {**right, "sslmode": "disable"},
        "a wrong password": {**way(ground, "password"), "password": "guessed"},
    }.get(what, right)  # fmt: skip
    shown = {"another name": papers.elsewhere, "a certificate that has ended": papers.ended}.get(what)
    job = job_of(ground, feed, database.dsn(dbname=empty, **wrong))
    if shown is not None:
        database.show(shown)
    try:
        worker = workers.run(job)
        if lasting:
            assert worker.finish() == 1
            assert WRONG[what] in worker.text()
        else:
            eventually(lambda: says(worker, WRONG[what]), "it says why")
        found = examined(workers, job)["target.reachable"]
    finally:
        database.show(papers.server)
    assert (found["level"], found["kind"]) == ("fail", WRONG[what])
    assert "guessed" not in worker.text()
    if shown is not None:
        # the server's certificate was renewed: the same worker goes on
        eventually(lambda: rows(database, empty) == 30, "everything is applied")
    if not lasting:
        assert worker.leave() == 0
    workers.until_current(replace(job, dsn=database.dsn(dbname=empty, **right)))
    assert rows(database, empty) == 30
