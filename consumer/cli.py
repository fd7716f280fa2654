"""The command line. stdout is data, stderr is progress.

Exit codes: 0 ok, 1 failed, 2 usage, 3 nothing matched, 4 refused by policy, 5 partial.
"""

from typing import Annotated

import typer

from consumer.bench.commands import app as bench_app
from consumer.operate.admin import app as admin_app
from consumer.operate.batches import app as batches_app
from consumer.operate.breakers import app as breakers_app
from consumer.operate.config import app as config_app
from consumer.operate.connectors import app as connectors_app
from consumer.operate.dlq import app as dlq_app
from consumer.operate.healing import healing
from consumer.operate.lag import lag
from consumer.operate.migrate import migrate
from consumer.operate.output import Config, reported
from consumer.operate.positions import app as positions_app
from consumer.operate.remotely import reachable, remote_too
from consumer.operate.replay import app as replay_app
from consumer.operate.schema import app as schema_app
from consumer.operate.tables import app as tables_app
from consumer.operate.workers import app as workers_app
from consumer.stack.commands import app as stack_app
from consumer.stack.demo.commands import demo

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
app.add_typer(reachable(replay_app), name="replay")
app.add_typer(reachable(schema_app), name="schema")
app.add_typer(reachable(tables_app), name="tables")
app.add_typer(reachable(workers_app), name="workers")
app.add_typer(reachable(breakers_app), name="breakers")
app.add_typer(reachable(connectors_app), name="connectors")
app.add_typer(config_app, name="config")
app.command()(remote_too(lag))
app.command()(remote_too(healing))
app.command()(migrate)
app.command()(demo)


@app.callback()
def headrace() -> None:
    """Headrace."""


@app.command()
def run(
    config: Config = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes to run and watch.")] = 1,
    until_current: Annotated[
        bool, typer.Option("--until-current", help="End when everything that is there now has been applied.")
    ] = False,
    supervisor: Annotated[int | None, typer.Option(hidden=True)] = None,
    tell_port: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Read the topics and apply them, until told to stop."""
    from consumer.settings import load
    from consumer.supervisor import supervise
    from consumer.telemetry.logs import configure
    from consumer.worker import die_with, run_worker

    if supervisor is not None:
        die_with(supervisor)
    with reported():
        settings = load(config)
        configure(settings.log.level, settings.log.format, settings.log.burst, group=settings.kafka.group)
        if workers > 1:
            code = supervise(settings, config, workers, until_current=until_current)
        else:
            code = run_worker(settings, until_current=until_current, tell_port=tell_port)
    raise typer.Exit(code)
