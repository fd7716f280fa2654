"""`headrace healing`: what was put right without a hand."""

from dataclasses import asdict
from typing import Annotated

import typer

from consumer.operate.listing import Column, listing, since
from consumer.operate.opening import control_of
from consumer.operate.output import Config, Format, Output, nothing, reported


def healing(
    config: Config = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="Most lines.")] = 50,
    output: Format = Output.TABLE,
) -> None:
    """Show what the service has put right by itself, the newest first: sessions and clients made anew, tables set aside
    and gone on with, workers and connectors started again, locks of dead workers released. The same act on the same
    subject within a minute is one line.

    Exit code 3 when there was nothing.
    """
    with reported(), control_of(config) as control:
        found = control.healed(most)
        if not found:
            raise nothing("nothing had to be put right")
        listing([asdict(each) | {"ago": since(each.last_at)} for each in found], _COLUMNS, output, [])


_COLUMNS = (
    Column(title="ago", of="ago", number=True),
    Column(title="what was done", of="act"),
    Column(title="to", of="subject"),
    Column(title="why", of="detail"),
    Column(title="times", of="times", number=True),
    Column(title="by", of="worker", wide=True),
)
