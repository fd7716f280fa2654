"""The command line. stdout is data, stderr is progress.

Exit codes: 0 ok, 1 failed, 2 usage, 3 nothing matched, 4 refused by policy, 5 partial.
"""

import typer

from consumer.stack.commands import app as stack_app

app = typer.Typer(
    name="headrace",
    help="Applies Debezium change topics to PostgreSQL: every change once, in order per row.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(stack_app, name="stack")


@app.callback()
def headrace() -> None:
    """Headrace."""
