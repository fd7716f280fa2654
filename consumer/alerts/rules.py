"""The alerts as Prometheus' rules: one text, in which settings still have to be put, and that text with values."""

import json
import re
from collections.abc import Iterator, Mapping

from consumer.alerts.alert import Alert
from consumer.alerts.lag import LAG_ALERTS
from consumer.alerts.letters import CAME, LETTER_ALERTS
from consumer.alerts.servers import SERVER_ALERTS
from consumer.alerts.workers import WORKER_ALERTS

ALERTS: tuple[Alert, ...] = (*LAG_ALERTS, *LETTER_ALERTS, *SERVER_ALERTS, *WORKER_ALERTS)
"""All of them, in the order of their page."""

Value = str | int | float
_WORD = re.compile(r"<(\w+)>")
# what would end the text that a value stands in
_ENDS = re.compile(r'["\\\x00-\x1f]')


class BadText(ValueError):
    """A value that would not stay in its place."""


def rules_text() -> str:
    """A file of rules in YAML, with `<name>` in the place of each setting, and `<group>`."""
    return "\n".join(["groups:", "  - name: headrace", "    rules:", *_recorded(), *_alerts()]) + "\n"


def rules(group: str, values: Mapping[str, Value]) -> str:
    """The file for a group."""
    return filled(rules_text(), {**values, "group": group})


def filled(text: str, values: Mapping[str, Value]) -> str:
    """A text with values in their places. Raises KeyError for one that is not given, BadText."""
    for value in values.values():
        if _ENDS.search(str(value)):
            raise BadText(repr(value))
    return _WORD.sub(lambda match: _written(values[match[1]]), text)


def words_of(text: str) -> set[str]:
    """The places of a text."""
    return set(_WORD.findall(text))


def _written(value: Value) -> str:
    # as Helm writes numbers
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _recorded() -> Iterator[str]:
    yield f"      - record: {CAME.name}"
    yield f"        expr: {_quoted(CAME.expr)}"
    yield from _labels({})


def _alerts() -> Iterator[str]:
    for alert in ALERTS:
        yield f"      - alert: {alert.name}"
        yield f"        expr: {_quoted(alert.expr)}"
        if alert.wait:
            yield f"        for: <{alert.wait}>s"
        yield from _labels({"severity": alert.severity})
        yield "        annotations:"
        yield f"          summary: {_quoted(alert.summary)}"
        yield f"          description: {_quoted(alert.meaning)}"
        yield f"          runbook_url: {_quoted(f'<runbooks>/{alert.name}.md')}"
        yield f"          dashboard_url: {_quoted(f'<dashboards>/{alert.board}')}"


def _labels(labels: Mapping[str, str]) -> Iterator[str]:
    yield "        labels:"
    for name, value in {**labels, "group": "<group>"}.items():
        yield f"          {name}: {_quoted(value)}"


def _quoted(text: str) -> str:
    # a string of JSON is one of YAML
    return json.dumps(text, ensure_ascii=False)
