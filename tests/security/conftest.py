"""One stack whose broker and registry have certificates, for all tests here; and the system's PostgreSQL with TLS."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from consumer.stack.account import hand_over, unprivileged_user
from consumer.stack.options import KAFKA, REGISTRY, TARGET, Endpoints, StackOptions
from consumer.stack.ports import choose
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from tests.real.engine.feed import Feed, fresh_name
from tests.real.engine.witness import TEMPLATE, Target, create_database, make_template
from tests.real.engine.worker import Workers
from tests.security.authority import Authority, Credential

USER, OTHER, PASSWORD = "alice", "bob", "the-word-of-alice"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True, kw_only=True)
class Papers:
    """Who signs, and what was signed."""

    ours: Authority
    others: Authority
    server: Credential
    elsewhere: Credential
    ended: Credential
    worker: Credential
    stranger: Credential


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The servers, and their papers."""

    at: Endpoints
    papers: Papers

    def broker(self, listener: str, host: str = "127.0.0.1") -> str:
        """Where a listener answers."""
        return f"{host}:{self.at.kafka_listeners[listener]}"


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Of an authority that is trusted, and of another one."""
    folder = tmp_path_factory.mktemp("papers")
    ours, others = Authority(folder, "ours"), Authority(folder, "others")
    return Papers(
        ours=ours,
        others=others,
        server=ours.sign("server"),
        elsewhere=ours.sign("elsewhere", hosts=("db.example",)),
        ended=ours.sign("ended", ended=True),
        worker=ours.sign("worker"),
        stranger=others.sign("stranger"),
    )


def shown(listener: str, credential: Credential) -> dict[str, str]:
    """The certificate of a listener."""
    name = f"listener.name.{listener.lower()}.ssl.keystore"
    return {f"{name}.type": "PEM", f"{name}.location": str(credential.both)}


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory, papers: Papers) -> Iterator[Ground]:
    """A broker that takes certificates, or logins, each encrypted; and one listener whose certificate has ended."""
    trusted = {
        "listener.name.mutual.ssl.truststore.type": "PEM",
        "listener.name.mutual.ssl.truststore.location": str(papers.ours.certificates),
        "listener.name.mutual.ssl.client.auth": "required",
    }
    login = {
        "listener.name.login.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.login.scram-sha-512.sasl.jaas.config": _SCRAM,
    }
    rights = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:CN=worker;User:{USER}",
    }
    options = StackOptions(
        kafka_listeners={"MUTUAL": "SSL", "LOGIN": "SASL_SSL", "ENDED": "SSL"},
        kafka_settings={
            **shown("MUTUAL", papers.server), **trusted, **shown("LOGIN", papers.server), **login,
            **shown("ENDED", papers.ended), **rights,
        },
        registry_tls=(papers.server.certificate, papers.server.key),
    )  # fmt: skip
    place = tmp_path_factory.mktemp("secured")
    with Stack.open(place, {KAFKA, REGISTRY, TARGET}, options, Terminal(quiet_steps=True)) as stack:
        at = stack.endpoints
        make_template(at.target_dsn)
        admin = AdminClient({"bootstrap.servers": at.kafka})
        how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        users = [UserScramCredentialUpsertion(user, how, PASSWORD.encode()) for user in (USER, OTHER)]
        for made in admin.alter_user_scram_credentials(users).values():
            made.result(30)
        yield Ground(at=at, papers=papers)


@pytest.fixture
def target(ground: Ground) -> Target:
    """A database of the test's own."""
    return Target(create_database(ground.at.target_dsn, fresh_name("secured"), TEMPLATE))


@pytest.fixture
def feed(ground: Ground) -> Feed:
    """A topic with rows."""
    made = Feed(ground.at, "once", fresh_name("once"))
    made.create(30)
    made.flush()
    return made


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """Starts processes; none outlives the test."""
    started = Workers(tmp_path)
    yield started
    started.kill_all()


Shows = Callable[[Credential], None]


@dataclass(frozen=True, kw_only=True)
class Database:
    """A server that takes sessions over TLS alone. `show`: have it show another certificate."""

    port: int
    show: Shows

    def dsn(self, **words: Any) -> str:
        """A connection string."""
        said = {"host": "127.0.0.1", "port": self.port, "user": "postgres", "dbname": "postgres", **words}
        return " ".join(f"{name}={value}" for name, value in said.items())


@pytest.fixture(scope="session")
def database(papers: Papers) -> Iterator[Database]:
    """PostgreSQL of the system, since the wheel's was built without TLS."""
    assert PROGRAMS, "PostgreSQL of the system is missing: make security-tests installs it"
    # where another user's server may go, which it may not below pytest's own directories
    scratch = tempfile.TemporaryDirectory(prefix="headrace-")
    place = Path(scratch.name)
    programs, user = PROGRAMS[-1].parent, unprivileged_user()
    account: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    hand_over(place, user)
    cluster = place / "cluster"
    words = ["-D", str(cluster), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run([programs / "initdb", *words], check=True, capture_output=True, cwd="/", **account)
    (cluster / "pg_hba.conf").write_text(
        "hostssl all worker 127.0.0.1/32 cert\nhostssl all alice 127.0.0.1/32 scram-sha-256\n"
        "hostssl all all 127.0.0.1/32 trust\nhostnossl all all 127.0.0.1/32 reject\n"
    )

    def lay(credential: Credential) -> None:
        for name, file in (("server.crt", credential.certificate), ("server.key", credential.key)):
            shutil.copy(file, cluster / name)
            hand_over(cluster / name, user)
            (cluster / name).chmod(0o600)

    shutil.copy(papers.ours.certificates, cluster / "root.crt")
    hand_over(cluster / "root.crt", user)
    lay(papers.server)
    port = choose(["database"], {})["database"]
    control = [programs / "pg_ctl", "-D", cluster, "-w"]
    settings = f"-c listen_addresses=127.0.0.1 -c port={port} -k {place} -F -c ssl=on -c ssl_ca_file=root.crt"
    subprocess.run([*control, "-o", settings, "-l", place / "log", "start"], check=True, cwd="/", **account)

    def show(credential: Credential) -> None:
        lay(credential)
        subprocess.run([*control, "reload"], check=True, capture_output=True, cwd="/", **account)

    try:
        found = Database(port=port, show=show)
        with psycopg.connect(found.dsn(sslmode="require"), autocommit=True) as session:
            session.execute("CREATE ROLE worker LOGIN SUPERUSER")
            session.execute(f"CREATE ROLE alice LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        yield found
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd="/", **account)
        scratch.cleanup()
