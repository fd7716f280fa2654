"""`python -m consumer` and the `headrace` command."""

import os
import signal
from types import FrameType


def main() -> None:
    """Run the command line."""
    if os.getpid() == 1:
        # the kernel drops what the first process of a container does not handle, and what comes next takes seconds
        signal.signal(signal.SIGTERM, _end)
    from consumer.cli import app

    app()


def _end(number: int, frame: FrameType | None) -> None:
    """As any other process ends that does not handle the signal; whoever has more to do handles it."""
    os._exit(128 + number)


if __name__ == "__main__":
    main()
