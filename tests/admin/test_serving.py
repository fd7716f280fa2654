"""`headrace admin`: the process comes up, answers, and ends when it is told to; tokens as the settings take them."""

import os
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from consumer.admin.app import make_app
from consumer.admin.gate import Gate
from consumer.admin.problems import Busy
from consumer.cli import app
from consumer.core.roles import Role
from consumer.settings.admin import Admin
from consumer.settings.loading import load, shown_settings
from consumer.stack.waiting import wait_until
from tests.admin.scene import Shop
from tests.admin.serving import served

SECRET = "no-one-shall-see-this"


def settings_of(shop: Shop, **more: str) -> dict[str, str]:
    """Of its group, as environment variables; Kafka and the registry are away."""
    names = {
        "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA__TOPICS": '["t"]',
        "KAFKA__REQUEST_TIMEOUT": "1",
        "KAFKA__GROUP": shop.group,
        "REGISTRY__URL": "http://127.0.0.1:1",
        "TARGET__DSN": shop.dsn,
        **more,
    }
    return {f"HEADRACE_{name}": value for name, value in names.items()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_comes_up_answers_and_ends_in_order(shop: Shop, tmp_path: Path, number: signal.Signals) -> None:
    """Also with a page that listens for what is new, and with Kafka away; by Ctrl-C as by whoever supervises it."""
    letter = shop.bad(2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = {**os.environ, **settings_of(shop, ADMIN__PORT=str(port))}
    command = [sys.executable, "-m", "consumer", "admin", "serve"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:

        def answers() -> bool:
            try:
                return httpx.get(f"{address}/readyz", timeout=30, verify=False).json() == {"ready": True, "why": ""}
            except httpx.HTTPError:
                assert process.poll() is None
                return False

        assert wait_until(answers, 60)
        assert f"Letter {letter}" in httpx.get(f"{address}/letters/{letter}", timeout=30, verify=False).text
        assert httpx.get(f"{address}/", timeout=30, verify=False).status_code == 200
        with httpx.stream("GET", f"{address}/events", timeout=30):
            process.send_signal(number)
            assert process.wait(20) == 0
    finally:
        process.kill()
    _, said = process.communicate(timeout=10)
    assert "nobody has to log in" in said
    assert "Traceback" not in said


def test_a_process_that_says_where_it_is_ends_in_order(shop: Shop, tmp_path: Path) -> None:
    """From that moment on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = {**os.environ, **settings_of(shop, ADMIN__PORT=str(port))}
    command = [sys.executable, "-m", "consumer", "admin", "serve"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert any("console: " in line for line in process.stderr or ())
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_a_port_that_is_taken_is_said_before_anything_else(shop: Shop, tmp_path: Path) -> None:
    """Nobody is sent to whatever listens there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {**os.environ, **settings_of(shop, ADMIN__PORT=str(port))}
        command = [sys.executable, "-m", "consumer", "admin", "serve"]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"port {port}" in done.stderr
    assert "Set admin.port" in done.stderr
    assert "console:" not in done.stderr


def test_an_address_of_others_is_refused_without_tokens(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to set."""
    for name, value in settings_of(shop, ADMIN__HOST="0.0.0.0").items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["admin", "serve"])
    assert (result.exit_code, "set admin.tokens" in result.stderr) == (2, True)


def test_the_process_says_that_it_goes_on_while_slow_questions_have_all_threads(shop: Shop) -> None:
    """A probe that waited for them would end the process for nothing."""
    entered, over = threading.Semaphore(0), threading.Event()

    @contextmanager
    def slow() -> Iterator[Any]:
        entered.release()
        over.wait(60)
        raise Busy("it took too long")
        yield

    slowly = replace(shop.doors, control=slow, free=threading.Semaphore(200))
    threads = 40
    with served(make_app(Admin(look_every=300), slowly)) as address, ThreadPoolExecutor(threads) as many:
        asked = [many.submit(httpx.get, f"{address}/api/v1/workers", timeout=90) for _ in range(threads)]
        for _ in range(threads - 1):
            # the watch may be one of them
            assert entered.acquire(timeout=30)
        try:
            assert httpx.get(f"{address}/healthz", timeout=10, verify=False).json() == {"state": "ok"}
        finally:
            over.set()
        assert {answer.result().status_code for answer in asked} == {503}


@pytest.mark.parametrize("name", ["ada", 'a "b" \\ c', "ü\u202e\n"])
def test_a_token_that_is_made_is_taken(name: str) -> None:
    """What is to be put into the settings is TOML; the token itself is not in it."""
    result = CliRunner().invoke(app, ["admin", "token", name, "--role", "operator"])
    admin = Admin.model_validate(tomllib.loads(result.stderr)["admin"])
    token = result.stdout.strip()
    person = Gate(admin.tokens, "k" * 40, 60).holder(token)
    assert (person.name, person.role, token in result.stderr) == (name, Role.OPERATOR, False)


def test_settings_are_shown_without_what_is_secret(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords may stand in several places."""
    secrets = {
        "TARGET__DSN": f"dbname=x password={SECRET}",
        "KAFKA__CLIENT": f'{{"sasl.password": "{SECRET}"}}',
        "REGISTRY__URL": f"http://me:{SECRET}@registry",
        "CONNECT__URL": f"http://me:{SECRET}@connect",
        "CONNECT__PASSWORD": SECRET,
        "TRACE__ENDPOINT": f"http://me:{SECRET}@collector/v1/traces",
        "SECRETS__HASH_KEY": SECRET * 2,
        "ADMIN__SESSION_KEY": SECRET * 2,
    }
    for name, value in settings_of(shop, **secrets).items():
        monkeypatch.setenv(name, value)
    found = shown_settings(load())
    assert (SECRET in str(found), found["kafka"]["group"]) == (False, shop.group)
