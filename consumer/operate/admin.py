"""`headrace admin`: the API and the web console."""

import hashlib
import json
import secrets
import signal
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.core.roles import ROLES
from consumer.operate.output import USAGE, Config, reported, say

if TYPE_CHECKING:
    from consumer.settings.admin import Admin

app = typer.Typer(
    name="admin", help="The admin API and the web console.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command("serve")
def serve(config: Config = None) -> None:
    """Serve the API and the console on `admin.host` and `admin.port`, until told to stop.

    SIGHUP has the settings read again: what they say of tables and topics holds from then on.
    """
    from functools import partial

    from consumer.admin.app import make_app
    from consumer.admin.server import listening
    from consumer.admin.server import serve as answer
    from consumer.composition.desks import admin_doors, group_lookout
    from consumer.composition.process import group_samples, ours_by, watchers
    from consumer.composition.reloading import Reloading
    from consumer.settings.loading import load
    from consumer.telemetry.grouping import connector_samples, looked_samples
    from consumer.telemetry.logs import configure

    with reported():
        settings = load(config)
        configure(settings.log.level, settings.log.format, settings.log.burst, group=settings.kafka.group)
        admin = settings.admin
        reloading = Reloading(settings, partial(load, config))
        signal.signal(signal.SIGHUP, lambda *_: Thread(target=reloading.reload, name="reload").start())
        doors = admin_doors(settings, reloading)
        made = make_app(admin, doors)
        with listening(admin.host, admin.port) as bound, watchers(settings) as told, group_lookout(settings) as lookout:
            group, watch, ours = group_samples(reloading, told), made.state.watch, ours_by(reloading)
            told.ask(lambda: looked_samples(lookout.looked))
            told.ask(lambda: group.of(lookout.seen))
            told.ask(lambda: connector_samples(said.connectors, said.answered, ours) if (said := watch.heard) else ())
            lookout.tell = told.tell
            try:
                answer(made, bound, partial(_say_where, admin))
            finally:
                doors.close()


@app.command("token")
def token(
    name: Annotated[str, typer.Argument(help="Who it is for, as the audit will name them.")],
    role: Annotated[str, typer.Option(help="viewer, content-viewer, operator or admin.")] = "viewer",
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="For how many days it is taken.")] = 90,
) -> None:
    """Make a token: it is written to stdout once, and what to put into the settings to stderr."""
    if role not in ROLES:
        say(f"--role is one of {', '.join(ROLES)}")
        raise typer.Exit(USAGE)
    made = f"hr_{secrets.token_urlsafe(32)}"
    say(f"[admin.tokens.{_quoted(name)}]")
    say(f'sha256 = "{hashlib.sha256(made.encode()).hexdigest()}"')
    say(f'role = "{role}"')
    if days is not None:
        say(f"expires = {(datetime.now(UTC) + timedelta(days=days)).isoformat(timespec='seconds')}")
    typer.echo(made)


def _say_where(admin: "Admin") -> None:
    host = f"[{admin.host}]" if ":" in admin.host else admin.host
    say(f"console: http://{host}:{admin.port}/   API: http://{host}:{admin.port}/api/v1")
    if admin.is_open:
        say("nobody has to log in: whoever is on this machine is its admin (admin.tokens changes that)")


def _quoted(name: str) -> str:
    """As a key of TOML, whose plain strings are JSON's."""
    return json.dumps(name, ensure_ascii=False)
