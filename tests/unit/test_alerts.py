"""The alerts as one text: what they ask for is told, and every place of a setting is one."""

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from consumer.alerts.alert import PREFIX, Alert
from consumer.alerts.letters import CAME
from consumer.alerts.rules import ALERTS, BadText, filled, rules, rules_text, words_of
from consumer.cli import app
from consumer.settings.alerts import Alerts
from tests.unit.promql import grouped_by, known, parsed, selectors

ROOT = Path(__file__).parents[2]
_VALUES = Alerts().model_dump()
_GROUP = "shop-replica"
# what a rule keeps is told by the rule
_KEPT = {CAME.name: {"group", "kind"}}
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


@each_alert
def test_an_alert_asks_for_what_is_told_of_its_group(alert: Alert) -> None:
    """By metrics and labels that there are."""
    tree, told = parsed(filled(alert.expr, {**_VALUES, "group": _GROUP})), known() | _KEPT
    labels: set[str] = set()
    for name, chosen in selectors(tree):
        assert name in told
        assert chosen <= told[name]
        labels |= told[name]
    assert set(grouped_by(tree)) <= labels
    assert f'group="{_GROUP}"' in filled(alert.expr, {**_VALUES, "group": _GROUP})


@each_alert
def test_an_alert_says_what_it_is_and_what_it_means(alert: Alert) -> None:
    """In one line, then for the data; its labels are those that its expression leaves."""
    assert alert.name.startswith(PREFIX)
    assert len(alert.meaning) > 40
    assert alert.summary != alert.meaning
    assert "\n" not in alert.summary + alert.meaning
    assert not alert.wait or alert.wait in _VALUES


def test_every_setting_of_the_section_has_its_place() -> None:
    """And every place a setting: none is there for nothing."""
    assert words_of(rules_text()) == _VALUES.keys() | {"group"}


def test_names_are_names_of_one_alert() -> None:
    """A file of a runbook is one alert's."""
    assert len({alert.name.lower() for alert in ALERTS}) == len(ALERTS)


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb"])
def test_a_value_stays_in_its_place(value: str) -> None:
    """What would end the text that it stands in is refused."""
    with pytest.raises(BadText):
        rules(value, _VALUES)


@pytest.mark.parametrize(
    "wrong", [{"lag_seconds": 0}, {"runbooks": 'a"b'}, {"runbooks": "a b"}, {"pool_waits": 0}, {"lag": 3}]
)
def test_thresholds_have_bounds(wrong: dict[str, object]) -> None:
    """As all settings."""
    with pytest.raises(ValidationError):
        Alerts.model_validate(wrong)


def test_the_command_writes_rules_with_the_settings_values(tmp_path: Path) -> None:
    """Those that the file changes, and the defaults of the others."""
    file = tmp_path / "headrace.toml"
    given = (ROOT / "deploy/headrace/headrace.toml").read_text().split("[alerts]")[0]
    file.write_text(f'{given}\n[alerts]\nlag_seconds = 77\nrunbooks = "https://docs.example"\n')
    done = CliRunner().invoke(app, ["alerts", "--config", str(file), "--output", "prometheus"])
    assert done.exit_code == 0, done.output
    group = tomllib.loads(given)["kafka"]["group"]
    assert done.output == rules(group, _VALUES | {"lag_seconds": 77, "runbooks": "https://docs.example"})
    assert ') > 77"' in done.output
    assert "https://docs.example/HeadraceLagging.md" in done.output
    listed = CliRunner().invoke(app, ["alerts", "--config", str(file), "--output", "json"])
    assert listed.output.count('"runbook"') == len(ALERTS)


@pytest.mark.parametrize(("every", "code"), [(30, 0), (31, 2), (600, 2)])
def test_rules_by_which_every_look_is_too_old_are_refused(every: int, code: int, tmp_path: Path) -> None:
    """They would fire for ever, and others would be muted meanwhile."""
    file = tmp_path / "headrace.toml"
    file.write_text((ROOT / "deploy/headrace/headrace.toml").read_text())
    environment = {"HEADRACE_TELEMETRY__LOOK_EVERY": str(every)}
    done = CliRunner().invoke(app, ["alerts", "--config", str(file)], env=environment)
    assert done.exit_code == code, done.output
    if code:
        said = f"alerts.unseen_seconds must be at least twice telemetry.look_every and a minute (2 x {every} + 60)"
        assert said in done.stderr


@pytest.mark.parametrize(
    ("loop", "deadline", "said"),
    [
        (48, 30, ""),
        (119, 30, ""),
        (120, 30, "alerts.loop_seconds must be less than worker.stall_timeout (120)"),
        (47, 30, "(1.25 x 30 + 10), or HeadraceLoopStuck fires while a statement takes its time"),
        (60, 40, "(1.25 x 40 + 10), or HeadraceLoopStuck fires while a statement takes its time"),
    ],
)
def test_a_loop_is_told_as_stuck_after_any_statement_and_before_its_process_ends(
    loop: int, deadline: int, said: str, tmp_path: Path
) -> None:
    """Else the alert is of batches that go as they should, or never comes."""
    file = tmp_path / "headrace.toml"
    file.write_text((ROOT / "deploy/headrace/headrace.toml").read_text())
    environment = {"HEADRACE_ALERTS__LOOP_SECONDS": str(loop), "HEADRACE_TARGET__BATCH_DEADLINE": str(deadline)}
    done = CliRunner().invoke(app, ["alerts", "--config", str(file)], env=environment)
    assert (done.exit_code, said in done.stderr) == (2 if said else 0, True), done.output
