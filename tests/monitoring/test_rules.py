"""Each alert in promtool: series that make it fire, and series that must not; of other groups nothing is heard."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.alerts.rules import ALERTS, rules
from consumer.settings.alerts import Alerts
from tests.monitoring.case import Calm, Case, Fires
from tests.monitoring.cases import CASES, GROUP, OF_ABSENCE
from tests.monitoring.programs import ROOT, program

_KNOWN = {alert.name: alert for alert in ALERTS}
_SETTINGS = Alerts(runbooks="https://docs.example/runbooks", dashboards="https://grafana.example/d")


def test_every_alert_has_series_that_fire_and_that_do_not() -> None:
    """None is believed untried."""
    assert list(CASES) == [alert.name for alert in ALERTS] or set(CASES) == set(_KNOWN)
    for name, cases in CASES.items():
        assert {type(case) for case in cases} == {Fires, Calm}, name


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name, cases in CASES.items() for case in cases],
    ids=lambda each: each if isinstance(each, str) else getattr(each, "why", "fires").replace(" ", "-"),
)
def test_an_alert_fires_when_it_should_and_only_then(name: str, case: Case, tmp_path: Path) -> None:
    """With its labels and its words."""
    expected = [_expected(name, case)] if isinstance(case, Fires) else []
    _hold(tmp_path, name, case, GROUP, expected)


@pytest.mark.parametrize("name", sorted(CASES.keys() - OF_ABSENCE))
def test_nothing_is_heard_of_other_groups(name: str, tmp_path: Path) -> None:
    """Theirs are rules of their own."""
    fires = next(case for case in CASES[name] if isinstance(case, Fires))
    _hold(tmp_path, name, fires, "another", [])


@pytest.mark.parametrize("name", sorted(OF_ABSENCE))
def test_other_groups_do_not_stand_in_for_what_is_missing(name: str, tmp_path: Path) -> None:
    """Their workers are none of ours."""
    fires = next(case for case in CASES[name] if isinstance(case, Fires))
    calm = next(case for case in CASES[name] if isinstance(case, Calm))
    _hold(tmp_path, name, replace(fires, series=calm.series), "another", [_expected(name, fires)])


def test_the_shipped_rules_are_rules() -> None:
    """As promtool reads them."""
    _run("promtool", "check", "rules", "--lint-fatal", str(ROOT / "deploy/prometheus/rules/headrace.yml"))


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "now"), ("warning", "later")])
def test_the_shipped_routes_tell_now_from_later(severity: str, receiver: str) -> None:
    """As Alertmanager's own tool reads them."""
    file = str(ROOT / "deploy/alertmanager/alertmanager.yml")
    _run("amtool", "check-config", file)
    words = ("amtool", "config", "routes", "test", f"--config.file={file}", f"--verify.receivers={receiver}")
    _run(*words, f"severity={severity}", "alertname=HeadraceStopped", f"group={GROUP}")


def _expected(name: str, case: Fires) -> dict[str, Any]:
    alert = _KNOWN[name]
    annotations = {
        "summary": case.summary,
        "description": alert.meaning,
        "runbook_url": f"https://docs.example/runbooks/{name}.md",
        "dashboard_url": f"https://grafana.example/d/{alert.board}",
    }
    labels = {**case.labels, "severity": str(alert.severity), "group": GROUP}
    return {"exp_labels": labels, "exp_annotations": annotations}


def _hold(folder: Path, name: str, case: Case, group: str, expected: list[dict[str, Any]]) -> None:
    """Have promtool run the case with the process being of a group."""
    (folder / "rules.yml").write_text(rules(GROUP, _SETTINGS.model_dump()))
    always = f"1x{case.at + 20}"
    series = [
        _series(f'headrace_build_info{{instance="w:1", group="{group}"}}', case.scraped or always),
        _series(f'headrace_build_info{{instance="w:2", group="{group}"}}', always),
        *(_series(asked, values) for asked, values in case.series.items()),
    ]
    test = {
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [{"eval_time": f"{case.at}m", "alertname": name, "exp_alerts": expected}],
    }
    file = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yml").write_text(yaml.safe_dump(file))
    _run("promtool", "test", "rules", str(folder / "test.yml"))


def _series(asked: str, values: str) -> dict[str, str]:
    """As promtool takes it: of a target."""
    metric, _, labels = asked.rstrip("}").partition("{")
    labels = labels if "instance=" in labels else ", ".join(filter(None, ('instance="w:1"', labels)))
    return {"series": f'{metric}{{job="headrace", {labels}}}', "values": values}


def _run(name: str, *words: str) -> None:
    done = subprocess.run([program(name), *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
