"""What watches Headrace, from the code: rules for Prometheus and their thresholds, the page of the alerts."""

import json
import tomllib
from pathlib import Path

from consumer.alerts.alert import Alert
from consumer.alerts.rules import ALERTS, filled, rules, rules_text, words_of
from consumer.settings.alerts import Alerts
from tools.pages.markdown import code, page, table

_SETTINGS = Path(__file__).parents[2] / "deploy/headrace/headrace.toml"
_INTRO = """\
What Headrace's alerts ask, and what they mean. `headrace alerts --output prometheus` writes them as rules with the
thresholds of your [settings](settings.md#alerts); the [chart](chart.md) and the compose file bring them along.
[How to watch](../how-to/dashboards-and-alerts.md) says where they go. Each has a runbook.

Rules are of one group: a process says its group in `headrace_build_info`, and `… and on (job, instance)` picks its
series."""
_EXAMPLE = {"group": "shop-replica"}


def compose_rules() -> str:
    """The rules that the compose file mounts, with the settings beside it."""
    found = tomllib.loads(_SETTINGS.read_text(encoding="utf-8"))
    return rules(found["kafka"]["group"], Alerts(**found.get("alerts", {})).model_dump())


def chart_rules() -> str:
    """The rules in which the chart puts its values."""
    return rules_text()


def chart_thresholds() -> str:
    """What it puts there where its values say nothing."""
    return json.dumps(Alerts().model_dump(), indent=1) + "\n"


def alerts_page() -> str:
    """The page."""
    return page("Alerts", _INTRO, *(_section(alert) for alert in ALERTS))


def _section(alert: Alert) -> str:
    values = Alerts().model_dump() | _EXAMPLE
    names = sorted(words_of(alert.expr) - {"group"} | ({alert.wait} - {""}))
    rows = [(code(f"alerts.{name}"), str(values[name])) for name in names]
    settings = table(("setting", "default"), rows) if rows else "No settings."
    held = f", for {values[alert.wait]} s" if alert.wait else ""
    return (
        f"## `{alert.name}`\n\n{alert.severity.capitalize()}{held}. {alert.meaning}\n"
        f"[Runbook](../runbooks/{alert.name}.md), dashboard `{alert.board}`.\n\n"
        f"```promql\n{filled(alert.expr, values)}\n```\n\n{settings}"
    )
