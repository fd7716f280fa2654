"""The command line. stdout is data, stderr is progress.

Exit codes: 0 ok, 1 failed, 2 usage, 3 nothing matched, 4 refused by policy, 5 partial.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from consumer.bench.commands import app as bench_app
from consumer.operate.admin import app as admin_app
from consumer.operate.alerts import alerts
from consumer.operate.batches import app as batches_app
from consumer.operate.breakers import app as breakers_app
from consumer.operate.config import app as config_app
from consumer.operate.connectors import app as connectors_app
from consumer.operate.dlq import app as dlq_app
from consumer.operate.doctor import doctor
from consumer.operate.flags import app as flags_app
from consumer.operate.healing import healing
from consumer.operate.lag import lag
from consumer.operate.migrate import migrate
from consumer.operate.output import Config, reported
from consumer.operate.positions import app as positions_app
from consumer.operate.reconcile import app as reconcile_app
from consumer.operate.recover import app as recover_app
from consumer.operate.remotely import reachable, remote_too
from consumer.operate.replay import app as replay_app
from consumer.operate.schema import app as schema_app
from consumer.operate.tables import app as tables_app
from consumer.operate.workers import app as workers_app
from consumer.stack.commands import app as stack_app
from consumer.stack.demo.commands import demo
from consumer.telemetry.logs import only_warnings

app = typer.Typer(
    name="headrace",
    help="Applies Debezium change topics to PostgreSQL: every change once, in order per row.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(stack_app, name="stack")
app.add_typer(bench_app, name="bench")
app.add_typer(admin_app, name="admin")
app.add_typer(reachable(batches_app), name="batches")
app.add_typer(reachable(dlq_app), name="dlq")
app.add_typer(reachable(positions_app), name="positions")
app.add_typer(reachable(reconcile_app), name="reconcile")
app.add_typer(reachable(recover_app), name="recover")
app.add_typer(reachable(replay_app), name="replay")
app.add_typer(reachable(schema_app), name="schema")
app.add_typer(reachable(tables_app), name="tables")
app.add_typer(reachable(workers_app), name="workers")
app.add_typer(reachable(breakers_app), name="breakers")
app.add_typer(reachable(connectors_app), name="connectors")
app.add_typer(reachable(flags_app), name="flags")
app.add_typer(config_app, name="config")
app.command()(remote_too(lag))
app.command()(remote_too(healing))
app.command()(remote_too(doctor))
app.command()(migrate)
app.command()(alerts)
app.command()(demo)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("headrace"))
        raise typer.Exit


@app.callback()
def headrace(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is, and end.")
    ] = False,
) -> None:
    """Headrace."""
    # commands say themselves what they do
    only_warnings()


@app.command()
def run(
    config: Config = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes to run and watch.")] = 1,
    until_current: Annotated[
        bool,
        typer.Option("--until-current", help="End when all that is there now is applied or a dead letter."),
    ] = False,
    supervisor: Annotated[int | None, typer.Option(hidden=True)] = None,
    tell_port: Annotated[int | None, typer.Option(hidden=True)] = None,
    kept: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Read the topics and apply them, until told to stop.

    SIGHUP has the settings read again: what they say of tables and topics, and which are read, holds from then on.
    """
    from functools import partial

    from consumer.settings.kept import path_of
    from consumer.settings.loading import load
    from consumer.supervisor import supervise
    from consumer.telemetry.logs import configure
    from consumer.worker import Supervised, die_with, run_worker

    if supervisor is not None:
        die_with(supervisor)
    with reported():
        settings = load(config, None if kept is None else path_of(kept))
        configure(settings.log.level, settings.log.format, settings.log.burst, group=settings.kafka.group)
        if workers > 1:
            code = supervise(settings, config, workers, until_current=until_current)
        else:
            under = None
            if supervisor is not None and tell_port is not None:
                under = Supervised(supervisor=supervisor, pipe=tell_port)
            code = run_worker(settings, partial(load, config), until_current=until_current, under=under)
    raise typer.Exit(code)
