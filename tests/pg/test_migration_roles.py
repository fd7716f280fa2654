"""Migrating as another role than the workers': what is made is its owner's, and who is granted it may work with it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from consumer.cli import app
from consumer.core.failure import Refused
from consumer.core.target import TableName
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.board import PostgresBoard
from consumer.edges.postgres.migrate import ensure, migrate, migrations, schema_version, upgrade
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.target import Pruned, Retention
from tests.pg.conftest import NUMBERS
from tests.pg.landing import ID, Landing
from tests.pg.lettered import letters
from tests.pg.test_migrations import ADDED, later

FIELDS = [ID, {"name": "word", "type": ["null", "string"], "default": None}]
# tables, views and functions came since
OLD = migrations()[:20]
_FOREIGN = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'headrace'::regnamespace AND c.relowner <> %(owner)s::regrole
UNION ALL
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'headrace'::regnamespace AND p.proowner <> %(owner)s::regrole
"""
_ACLS = """
SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname = 'headrace'
UNION ALL SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'headrace'::regnamespace
UNION ALL SELECT defaclobjtype::text, defaclacl::text FROM pg_default_acl
UNION ALL SELECT proname, proacl::text FROM pg_proc WHERE pronamespace = 'headrace'::regnamespace ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Place:
    """A database without any control schema, as its superuser has it. Its roles end with it."""

    dsn: str
    session: psycopg.Connection
    number: int

    def role(self, name: str, *, of: str = "", more: str = "") -> str:
        """A new one, a member of another one if that is said; returns its name."""
        name = f"{name}{self.number}"
        self.do("CREATE ROLE {} LOGIN PASSWORD 'r' " + more, name)
        if of:
            self.do("GRANT {} TO {}", of, name)
        return name

    def owner(self) -> str:
        """One that may make the schema."""
        name = self.role("owner")
        self.do("GRANT CREATE ON DATABASE {} TO {}", self.session.info.dbname, name)
        return name

    def do(self, statement: str, *names: str) -> None:
        """As the superuser."""
        self.session.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def of(self, role: str) -> str:
        """Its connection string."""
        return make_conninfo(self.dsn, user=role, password="r")

    def migrated(
        self, role: str, known: Sequence[tuple[int, str]] | None = None, *, grant_to: Sequence[str] = ()
    ) -> tuple[int, int]:
        """By this role."""
        with closing(connect(SessionSettings(dsn=self.of(role), worker="migrate"))) as session:
            return upgrade(session, known, lock_timeout=20, grant_to=grant_to)

    def works(self, role: str) -> None:
        """A worker of this role: flags, a partition, a batch, a letter, pruning, and what a later version added."""
        name = f"t{next(NUMBERS)}"
        self.do("CREATE TABLE public.{} (id bigint PRIMARY KEY, word text)", name)
        self.do("GRANT SELECT, INSERT, UPDATE, DELETE ON public.{} TO {}", name, role)
        settings, group = SessionSettings(dsn=self.of(role), worker="one"), name
        with closing(PostgresBoard(settings, group, "1", CircuitBreaker("target"))) as board:
            assert board.flags_off() == frozenset()
        with closing(PostgresSink(settings, group)) as sink:
            sink.open()
            sink.seed({})
            landing = Landing(sink, TableName("public", name), FIELDS)
            landing.apply(("c", {"id": 1, "word": "w"}), ("x", {"id": 2, "word": "w"}))
            assert sink.prune(Retention()) == Pruned()
        assert letters(self.session, group) == [(1, "dead", "record.decode")]
        assert self.session.execute(f"SELECT id FROM public.{name}".encode()).fetchall() == [(1,)]
        if self.session.execute("SELECT to_regclass('headrace.added')").fetchone() != (None,):
            with psycopg.connect(self.of(role), autocommit=True) as session:
                session.execute("INSERT INTO headrace.added DEFAULT VALUES")
                session.execute("UPDATE headrace.added SET id = id")
                session.execute("DELETE FROM headrace.added")

    def foreign(self, owner: str) -> list[str]:
        """What of the schema is not this role's."""
        return [name for (name,) in self.session.execute(_FOREIGN, {"owner": owner}).fetchall()]


@pytest.fixture
def place(server: str, session: psycopg.Connection) -> Iterator[Place]:
    """One."""
    number = next(NUMBERS)
    name = f"roles{number}"
    session.execute(f"CREATE DATABASE {name}")
    dsn = make_conninfo(server, dbname=name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Place(dsn, connection, number)
    session.execute(f"DROP DATABASE {name} WITH (FORCE)")
    for (role,) in session.execute("SELECT rolname FROM pg_roles WHERE rolname ~ %s", (f"\\D{number}$",)).fetchall():
        session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


LOGINS: dict[str, Callable[[Place, str], str]] = {
    "a superuser": lambda place, owner: place.role("dba", more="SUPERUSER"),
    "a member": lambda place, owner: place.role("dba", of=owner),
    "a member that inherits nothing": lambda place, owner: place.role("dba", of=owner, more="NOINHERIT"),
    "the owner": lambda place, owner: owner,
}


@pytest.mark.parametrize("login", LOGINS.values(), ids=LOGINS)
def test_what_another_login_adds_is_the_owners(place: Place, login: Callable[[Place, str], str]) -> None:
    """The owner's workers go on; so they do when the next version adds more."""
    owner = place.owner()
    newest = migrations()[-1][0]
    assert place.migrated(owner, OLD) == (0, 20)
    other = login(place, owner)
    assert place.migrated(other) == (20, newest)
    place.works(owner)
    assert place.migrated(other, later(ADDED)) == (newest, newest + 1)
    assert place.foreign(owner) == []
    place.works(owner)


def test_a_schema_that_was_made_for_a_role_is_filled_as_that_role(place: Place) -> None:
    """By whoever made it."""
    owner = place.role("owner")
    place.do("CREATE SCHEMA headrace AUTHORIZATION {}", owner)
    place.migrated(place.role("dba", more="SUPERUSER"))
    assert place.foreign(owner) == []
    place.works(owner)


def test_a_role_fills_a_schema_in_which_it_may_make_tables(place: Place) -> None:
    """It is theirs who made them, and goes on being it."""
    owner = place.role("owner")
    place.do("CREATE SCHEMA headrace")
    place.do("GRANT USAGE, CREATE ON SCHEMA headrace TO {}", owner)
    place.migrated(owner, migrations()[:-1])
    place.migrated(owner)
    place.migrated(place.role("dba", more="SUPERUSER"), later(ADDED))
    assert place.foreign(owner) == []
    place.works(owner)


@pytest.mark.parametrize("superuser", [False, True], ids=["an owner", "a superuser"])
def test_a_role_that_is_granted_it_can_work(place: Place, superuser: bool) -> None:
    """From the first migration on, and behind a later one that grants nothing and adds a table."""
    worker, other = place.role("worker"), place.role("other")
    owner = place.role("dba", more="SUPERUSER") if superuser else place.owner()
    # as hardened databases have it
    place.do("ALTER DEFAULT PRIVILEGES FOR ROLE {} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", owner)
    place.migrated(owner, grant_to=[worker, other])
    place.works(worker)
    place.migrated(place.role("later", more="SUPERUSER"), later(ADDED))
    assert place.foreign(owner) == []
    for role in (worker, other):
        place.works(role)


def test_a_role_can_be_granted_what_is_there_already(place: Place) -> None:
    """By a login that may act as the owner; a second time changes nothing."""
    owner = place.owner()
    place.migrated(owner)
    worker, member = place.role('we"ird; --'), place.role("dba", of=owner, more="NOINHERIT")
    place.migrated(member, grant_to=[worker])
    place.works(worker)
    before = place.session.execute(_ACLS).fetchall()
    place.migrated(member, grant_to=[worker, worker])
    assert place.session.execute(_ACLS).fetchall() == before
    place.migrated(owner, later(ADDED))
    place.works(worker)


@pytest.mark.parametrize("granted", [False, True], ids=["no privileges", "a worker's privileges"])
def test_a_login_that_may_not_act_as_the_owner_is_refused(place: Place, granted: bool) -> None:
    """Before anything is changed, and told as whom to do it; a worker of it ends so too."""
    owner, worker = place.owner(), place.role("worker")
    have = place.migrated(owner, migrations()[:-1], grant_to=[worker] if granted else [])[1]
    with pytest.raises(Refused) as caught:
        place.migrated(worker)
    failure = caught.value.failure
    assert (failure.kind, f"HEADRACE_TARGET__DSN of {owner}" in failure.remedy) == ("table.privilege", True)
    assert schema_version(place.session) == have
    if granted:
        assert f"{worker} may not act as {owner}" in failure.detail
        with closing(connect(SessionSettings(dsn=place.of(worker), worker="one"))) as session, pytest.raises(Refused):
            ensure(session, 2.0)
        place.migrated(owner)
        # there is nothing to do any more
        assert place.migrated(worker) == (have + 1, have + 1)
    with pytest.raises(Refused):
        place.migrated(worker, grant_to=[worker])


def test_a_member_that_may_not_set_the_role_is_refused(place: Place) -> None:
    """What it made would be its own."""
    if place.session.info.server_version < 160_000:
        pytest.skip("memberships have no options there")
    owner, member = place.owner(), place.role("dba")
    place.do("GRANT {} TO {} WITH SET FALSE", owner, member)
    place.migrated(owner, migrations()[:-1])
    with pytest.raises(Refused, match="may not act as"):
        place.migrated(member)


def test_what_belongs_to_another_role_is_named(place: Place) -> None:
    """As a superuser's, of a migration before this one; nothing of the migration is left."""
    owner, worker, dba = place.owner(), place.role("worker"), place.role("dba", more="SUPERUSER")
    have = place.migrated(owner)[1]
    place.do("ALTER TABLE headrace.letters OWNER TO {}", dba)
    with pytest.raises(Refused, match="must be owner of table letters") as caught:
        place.migrated(dba, later(ADDED, "ALTER TABLE headrace.letters ADD COLUMN more integer"))
    assert "OWNER TO" in caught.value.failure.remedy
    assert schema_version(place.session) == have
    with pytest.raises(Refused, match="letters"):
        place.migrated(dba, grant_to=[worker])
    # the server does no more than warn when a part of it is another's
    place.do("GRANT SELECT ON headrace.letters TO {}", owner)
    place.do("GRANT USAGE ON SEQUENCE headrace.letters_id_seq TO {}", owner)
    with pytest.raises(Refused, match=r"may not grant \w+ ON headrace\.letters to"):
        place.migrated(dba, grant_to=[worker])


def test_a_role_that_may_not_make_the_schema_is_told_what_is_missing(place: Place) -> None:
    """Of the database."""
    with pytest.raises(Refused) as caught:
        place.migrated(place.role("worker"))
    assert "CREATE on the database" in caught.value.failure.remedy


@pytest.fixture
def headrace(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command as a role."""
    monkeypatch.setenv("HEADRACE_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("HEADRACE_KAFKA__TOPICS", '["t"]')
    monkeypatch.setenv("HEADRACE_REGISTRY__URL", "http://127.0.0.1:1")

    def run(role: str, *words: str) -> Result:
        monkeypatch.setenv("HEADRACE_TARGET__DSN", place.of(role))
        return CliRunner().invoke(app, words)

    return run


def test_the_command_grants_and_says_to_whom(place: Place, headrace: Callable[..., Result]) -> None:
    """As often as it is given."""
    owner, one, two = place.owner(), place.role("one"), place.role("two")
    done = headrace(owner, "migrate", "--grant", one, "--grant", two)
    assert (done.exit_code, done.stdout) == (0, f"{migrations()[-1][0]}\n"), done.stderr
    assert all(f"{role} may do there what a worker does" in done.stderr for role in (one, two))
    for role in (one, two):
        place.works(role)


@pytest.mark.parametrize("name", ["nobody-is-called-so", "public", "PUBLIC", "none", "current_user", ""])
def test_a_role_that_is_none_is_refused(place: Place, headrace: Callable[..., Result], name: str) -> None:
    """Nothing is migrated then, and nothing is granted to everybody."""
    done = headrace(place.owner(), "migrate", "--grant", name)
    assert (done.exit_code, f"there is no role {name!r}" in done.stderr) == (2, True)
    assert schema_version(place.session) == 0


def test_a_worker_migrates_as_the_owner_too(place: Place) -> None:
    """Of a member's."""
    owner = place.owner()
    place.migrated(owner, OLD)
    member = place.role("worker", of=owner)
    with closing(connect(SessionSettings(dsn=place.of(member), worker="one"))) as session:
        ensure(session, 2.0)
        assert session.execute("SELECT current_user::text").fetchone() == (member,)
        assert migrate(session) == migrations()[-1][0]
    assert place.foreign(owner) == []
    place.works(member)
