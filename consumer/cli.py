"""The command line. stdout is data, stderr is progress.

Exit codes: 0 ok, 1 failed, 2 usage, 3 nothing matched, 4 refused by policy, 5 partial.
"""

import typer

app = typer.Typer(
    name="headrace",
    help="Applies Debezium change topics to PostgreSQL: every change once, in order per row.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def headrace() -> None:
    """Headrace."""
