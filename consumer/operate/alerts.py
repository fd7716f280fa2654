"""`headrace alerts`: the alerts, and the rules that Prometheus wants, with the settings' thresholds."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from consumer.alerts.rules import ALERTS, BadText, filled, rules
from consumer.core.decision import Undecidable
from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS
from consumer.operate.output import Config, Output, reported, show


class Form(StrEnum):
    """How alerts are written to stdout."""

    TABLE = "table"
    JSON = "json"
    PROMETHEUS = "prometheus"


def alerts(
    config: Config = None,
    output: Annotated[Form, typer.Option(help="How they are written; prometheus: a file of rules.")] = Form.TABLE,
) -> None:
    """The alerts with the thresholds of the settings, or the rules for Prometheus."""
    from consumer.settings.loading import load
    from consumer.settings.waits import RULED, complaints

    with reported():
        settings = load(config)
        if wrong := list(complaints(settings, RULED)):
            remedy = "Change one of the settings that it names, then write the rules anew."
            detail = "; ".join(wrong)
            raise Refused(failed(KINDS["worker.settings"], "settings", "load", detail, remedy=remedy))
        values = settings.alerts.model_dump()
        try:
            made = rules(settings.kafka.group, values)
        except BadText as error:
            raise Undecidable(f"kafka.group can't stand in a rule: {error}") from error
    if output is Form.PROMETHEUS:
        typer.echo(made, nl=False)
        return
    values |= {"group": settings.kafka.group}
    rows = [
        asdict(alert)
        | {"expr": filled(alert.expr, values), "wait": values[alert.wait] if alert.wait else 0, "runbook": alert.page}
        for alert in ALERTS
    ]
    columns = {"alert": "name", "severity": "severity", "for": "wait", "what it means": "meaning"}
    show(rows, columns, Output.JSON if output is Form.JSON else Output.TABLE)
