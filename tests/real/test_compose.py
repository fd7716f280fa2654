"""The compose file's settings, roles and connector on real servers: what is refused there would be refused here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumer.stack.demo.compare import compare
from consumer.stack.options import ALL_PARTS, CONNECT, Endpoints, StackOptions
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from consumer.stack.waiting import wait_until
from tests.deploy.compose import EXAMPLE, composed, environment, properties, variables
from tests.deploy.dockerfile import ROOT

SERVICES = composed(variables(EXAMPLE.read_text()))["services"]
_CUSTOMER = """
INSERT INTO shop.customers VALUES (gen_random_uuid(), 'a@shop.example', 'a', 'gold', 1.5, '{}', NULL, now())
"""
# its description is out of line, and missing in the update's event
_PRODUCT = """
INSERT INTO shop.products VALUES (1, 'SKU-1', 'n', 2.5, '{}', '\\x00ff', repeat('long', 9000), NULL)
"""
# what differs from place to place
_PLACES = ("node.id", "process.roles", "controller.", "listener", "advertised.", "inter.broker.", "log.dirs")


def _kafka_settings() -> dict[str, str]:
    found = properties(environment(SERVICES["kafka"], "KAFKA_"), "KAFKA_")
    return {name: value for name, value in found.items() if not name.startswith(_PLACES)}


def _connect_settings() -> dict[str, str]:
    found = properties(environment(SERVICES["connect"], "CONNECT_"), "CONNECT_")
    return found | {"plugin.discovery": "service_load"}


def _places(at: Endpoints) -> dict[str, str]:
    """The variables of the service `connect`, with this stack's addresses."""
    source = conninfo_to_dict(at.source_dsn)
    there = {name: SERVICES["connect"]["environment"][name] for name in ("SOURCE_USER", "SOURCE_PASSWORD")}
    return there | {
        "SOURCE_HOST": str(source["host"]),
        "SOURCE_PORT": str(source["port"]),
        "SOURCE_DATABASE": str(source["dbname"]),
        "REGISTRY_URL": at.registry_url.replace("/apis/ccompat/v7", "/apis/registry/v2"),
    }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with these settings; its ports are chosen before Connect is told of them."""
    place, quiet = tmp_path_factory.mktemp("compose"), Terminal(quiet_steps=True)
    with Stack.open(place, ALL_PARTS - {CONNECT}, None, quiet) as opened:
        at = opened.endpoints
    command = SERVICES["source"]["command"]
    options = StackOptions(
        source_settings=dict(word.split("=", 1) for word in command if "=" in word),
        kafka_settings=_kafka_settings(),
        connect_settings=_connect_settings(),
        connect_environment=_places(at),
    )
    with Stack.open(place, ALL_PARTS, options, quiet) as opened:
        assert opened.endpoints.registry_url == at.registry_url
        yield opened


def _run(file: str, dsn: str, *names: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in (file, *names):
            connection.execute((ROOT / name).read_bytes())


def _set_password(dsn: str, role: str, password: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {role} PASSWORD '{password}'".encode())


def _headrace(*words: str, environment: dict[str, str], folder: Path) -> str:
    known = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "consumer", *words, "--config", str(ROOT / "deploy/headrace/headrace.toml")],
        cwd=folder,
        env=known | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_shop_flows_by_the_files_of_the_compose_file(stack: Stack, tmp_path: Path) -> None:
    """Tables, roles, connector and settings as they are mounted there; the rows are equal at the end."""
    at = stack.endpoints
    _run("consumer/stack/demo/shop.sql", at.source_dsn, "deploy/postgres/source-role.sql")
    _run("deploy/postgres/target-role.sql", at.target_dsn)
    connect, ours = SERVICES["connect"]["environment"], SERVICES["headrace"]["environment"]
    _set_password(at.source_dsn, connect["SOURCE_USER"], connect["SOURCE_PASSWORD"])
    _set_password(at.target_dsn, "headrace_apply", ours["PGPASSWORD"])
    with psycopg.connect(at.source_dsn) as source:
        source.execute(
            "INSERT INTO shop.customers VALUES (gen_random_uuid(), 'a', 'b', 'gold', 1.5, '{}', NULL, now())"
        )
        source.execute(
            "INSERT INTO shop.products VALUES (1, 's', 'n', 2.5, '{}', '\\x00ff', repeat('long', 9000), NULL)"
        )

    registered = subprocess.run(
        ["sh", str(ROOT / "deploy/connectors/register.sh")],
        env={"PATH": os.environ["PATH"], "CONNECT_URL": at.connect_url},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (registered.returncode, registered.stdout) == (0, "shop runs\n"), registered.stderr
    with psycopg.connect(at.source_dsn, autocommit=True) as source:
        # behind the snapshot, so from the publication
        assert wait_until(lambda: source.execute("SELECT active FROM pg_replication_slots").fetchone() == (True,), 60)
        source.execute("UPDATE shop.products SET price = price + 1")
        source.execute(
            "INSERT INTO shop.orders (customer_id, status, total) SELECT id, 'placed', 3 FROM shop.customers"
        )

    place = conninfo_to_dict(at.target_dsn) | {"user": "headrace_apply"}
    # libpq's variable has it
    del place["password"]
    settings = ours | {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": at.kafka,
        "HEADRACE_REGISTRY__URL": at.registry_url,
        "HEADRACE_CONNECT__URL": at.connect_url,
        "HEADRACE_TARGET__DSN": make_conninfo(**place),
        "HEADRACE_KAFKA__CLIENT": json.dumps({"topic.metadata.refresh.interval.ms": "1000"}),
    }
    assert _headrace("migrate", environment=settings, folder=tmp_path).strip().isdigit()

    def equal() -> bool:
        _headrace("run", "--until-current", environment=settings, folder=tmp_path)
        found = {each.table: each for each in compare(at.source_dsn, at.target_dsn) if each.source}
        return set(found) == {"customers", "products", "orders"} and all(each.equal for each in found.values())

    assert wait_until(equal, 200), compare(at.source_dsn, at.target_dsn)
