"""`headrace dlq search`: letters found by what their records hold, by a job that workers carry out."""

from typing import TYPE_CHECKING, Annotated

import typer

from consumer.core.jobs import ACTIVE
from consumer.operate.job_views import follow, show_job
from consumer.operate.opening import jobs_of
from consumer.operate.output import Config, Format, Output, Reason, because, nothing, reported, say, show
from consumer.operate.replay import job_of
from consumer.operate.selecting import SOME, selecting

if TYPE_CHECKING:
    from dlq.selection import Selection


@selecting()
def search(
    where: Annotated[
        list[str],
        typer.Option(
            "--where",
            help="What has to be so: FIELD =, !=, <, > or contains VALUE, or FIELD is null; a field is a path as "
            "after.total, key.id or op" + SOME,
        ),
    ],
    config: Config = None,
    *,
    chosen: "Selection",
    most: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="At most so many letters, the last that failed first.")
    ] = 10_000,
    reason: Reason = "",
    followed: Annotated[bool, typer.Option("--follow", help="Show how it goes on, until it is at its end.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Search letters by what their records hold; that you did is kept. Masked columns are not compared.

    Workers read the records. What was found is taken by --job JOB of `dlq ls`, `dlq export` and `replay start`; the job
    is followed and cancelled as others. Exit code 3 when no letter matches.
    """
    from dlq.filter import BadFilter, condition
    from dlq.value_search import Wanted

    note = because(reason, "records are looked at")
    try:
        conditions = tuple(map(condition, where))
    except BadFilter as error:
        raise typer.BadParameter(str(error)) from error
    with reported(), jobs_of(config) as desk:
        made = desk.search(Wanted(selection=chosen, conditions=conditions, said=note, most=most))
        if made is None:
            raise nothing("no letter matches")
        found = job_of(desk, made)
        if followed:
            found = follow(found, lambda: job_of(desk, made), lambda now: now.state in ACTIVE)
        if output is Output.TABLE:
            show_job(found)
        else:
            show([{"job": made, "state": found.state, "letters": found.items, "counts": found.counts}], {}, output)
        say(f"what it finds: headrace dlq ls --job {made}")
