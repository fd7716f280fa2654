"""`headrace doctor` in the admin process: the API, the page and the command over the API tell the same report."""

import html
import json
import re
import threading
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from consumer.admin.app import make_app
from consumer.admin.checkup import KEPT, Checkup
from consumer.cli import app
from consumer.core.doctor.catalogue import CHECKS
from consumer.core.doctor.finding import Level
from consumer.core.roles import Role
from consumer.settings.admin import Admin
from tests.admin.conftest import TOKENS, Clients, secret
from tests.admin.scene import Shop
from tests.admin.serving import served


def test_the_api_tells_the_report(shop: Shop, clients: Clients) -> None:
    """To whoever may look; every check is in it."""
    answer = clients(Role.VIEWER).get("/api/v1/doctor")
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert {one["check"] for one in report["findings"]} == {check.name for check in CHECKS}
    levels = {one["check"]: one["level"] for one in report["findings"]}
    assert levels["target.schema"] == "ok"
    assert levels["connect.connectors"] == "warn", "it is no source of ours that has failed"
    assert (report["worst"], clients(None).get("/api/v1/doctor").status_code) == ("warn", 401)


def test_the_page_says_what_is_wrong_first(shop: Shop, here: httpx.Client) -> None:
    """With the remedy, and where to read more."""
    shop.around.away = True
    text = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", here.get("/doctor").text)))
    assert "1 check failed" in text
    first = text.index("the login is refused")
    assert first < text.index("Correct them in kafka.client") < text.index("docs/runbooks/kafka.refused.md")
    assert first < text.index("Settings and ports")
    assert "Kafka did not answer" in text


def test_the_command_tells_what_the_server_found(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With its exit codes, and without settings of its own."""
    monkeypatch.chdir(tmp_path)
    shop.around.kept = {"retention.ms": "60000", "cleanup.policy": "delete"}
    with served(make_app(Admin(tokens=TOKENS), shop.doors)) as address:
        monkeypatch.setenv("HEADRACE_SERVER", address)
        monkeypatch.setenv("HEADRACE_TOKEN", secret(Role.VIEWER))
        told = CliRunner().invoke(app, ["doctor", "--output", "json"])
        assert told.exit_code == 1, told.output
        found = {one["check"]: one["level"] for one in json.loads(told.stdout)}
        assert (found["letters.kept"], found["kafka.reachable"]) == ("fail", "ok")
        shown = CliRunner().invoke(app, ["doctor", "--problems"])
    assert "→ Read Kafka Connect's log" in shown.stdout
    assert "kafka.reachable" not in shown.stdout
    assert re.search(r"2 failed, 5 to look at, \d+ ok", shown.stdout)


def test_many_who_ask_at_once_are_told_one_report(shop: Shop) -> None:
    """And who asks soon after; later it is looked again."""
    now = [100.0]
    checkup = Checkup(shop.doors, lambda: now[0])
    told = []
    threads = [threading.Thread(target=lambda: told.append(checkup.report())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(told) == 5
    assert shop.around.asked == 1
    assert {id(one) for one in told} == {id(checkup.last)}
    now[0] += KEPT + 1
    assert checkup.report().worst is Level.WARN
    assert shop.around.asked == 2
