"""`python -m consumer` and the `headrace` command."""

from consumer.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
