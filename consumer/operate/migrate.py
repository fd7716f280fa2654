"""`headrace migrate`: the control schema brought to this version, in front of the workers of an upgrade."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from consumer.core.failure import Transient
from consumer.operate.output import Config, reported, say
from consumer.operate.selecting import SOME

# between attempts, so that who waited behind one is through
_PAUSE = 3.0


def migrate(
    config: Config = None,
    wait: Annotated[
        int, typer.Option(min=0, max=86_400, help="Seconds that it tries again while others are in the way.")
    ] = 300,
    grant: Annotated[
        list[str] | None,
        typer.Option(
            "--grant",
            metavar="ROLE",
            help="A role that may then do what a worker does in the schema, now and later" + SOME,
        ),
    ] = None,
) -> None:
    """Bring the control schema to this version, and write the version that it has then.

    Workers may run meanwhile: it waits for them at most `evolution.lock_timeout` at a time, and they behind it. Workers
    of the version before go on, unless a migration is a break, as the first line of its file says. What it makes
    belongs to the schema's owner, whoever of those that may act as the owner runs it.
    """
    from consumer.composition.desks import migrate_target
    from consumer.settings.loading import load

    with reported():
        settings = load(config)
        before, after = patiently(lambda: migrate_target(settings, grant or ()), wait)
        say(f"the control schema had version {before}, and has {after}" if before < after else "nothing to do")
        for name in grant or ():
            say(f"{name} may do there what a worker does")
        typer.echo(after)


def patiently(attempt: Callable[[], tuple[int, int]], seconds: float) -> tuple[int, int]:
    """What the attempt returns, tried again for some time. Raises what the last one raised."""
    end = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except Transient as error:
            if time.monotonic() + _PAUSE > end:
                raise
            say(f"not yet: {error.failure.detail}")
        time.sleep(_PAUSE)
