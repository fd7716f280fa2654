"""`headrace config`: what is set, by whom, and what it must hold with."""

from dataclasses import asdict
from typing import Annotated

import typer

from consumer.operate.listing import Column, Remark, listing
from consumer.operate.output import Config, Format, Output, reported

app = typer.Typer(name="config", help="The settings.", no_args_is_help=True, pretty_exceptions_enable=False)


@app.command("explain")
def explain(
    config: Config = None,
    every: Annotated[bool, typer.Option("--all", help="All settings, not only times of waiting.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Show how long what is asked of others may take: each time with where it was set, its bounds, whose answer it
    bounds, and what it must hold with others. With --all every setting, but for those of topics and tables.

    Secrets and what may hold them are not shown. Mistakes end with exit code 2, all of them together.
    """
    with reported():
        from consumer.settings.explaining import explained
        from consumer.settings.loading import load

        found = [one for one in explained(load(config), config) if every or one.waits_for]
        rows = [asdict(one) | {"bounds": _bounds(one.least, one.most)} for one in found]
        remarks = [Remark(one.setting, one.meaning) for one in found if not every]
        holds = dict.fromkeys(relation for one in found for relation in one.relations)
        remarks += [Remark("must hold", relation) for relation in holds]
        listing(rows, _COLUMNS, output, remarks)


_COLUMNS = (
    Column(title="setting", of="setting"),
    Column(title="value", of="value", number=True),
    Column(title="set by", of="source"),
    Column(title="bounds", of="bounds"),
    Column(title="waits for", of="waits_for"),
)


def _bounds(least: float | None, most: float | None) -> str:
    if least is None and most is None:
        return ""
    return f"{'' if least is None else f'{least:g}'} to {'' if most is None else f'{most:g}'}"
