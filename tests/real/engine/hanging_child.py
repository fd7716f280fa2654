"""A child program whose columnar decoder never returns, as native code did on damaged blocks.

`frozen`: nor does it let any other thread of the process run.
"""

import ctypes
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import consumer.composition.engine
from consumer.edges.columnar import ColumnarDecoder
from consumer.ports.decoding import Sifted
from consumer.settings.loading import load
from consumer.telemetry.logs import configure
from consumer.worker import run_worker


class Hanging(ColumnarDecoder):
    """Waits for ever, like a reader that is asked again after its last record."""

    def sift(self, schema: str, data: Sequence[bytes], fields: Sequence[str], head: int = 0) -> Sifted:
        threading.Event().wait()
        raise AssertionError("unreachable")


class Freezing(ColumnarDecoder):
    """Waits so while it keeps the interpreter's lock."""

    def sift(self, schema: str, data: Sequence[bytes], fields: Sequence[str], head: int = 0) -> Sifted:
        ctypes.PyDLL(None).pause()
        raise AssertionError("unreachable")


def main() -> None:
    """Run the real worker around the hanging decoder."""
    config, *words = sys.argv[1:]
    settings = load(Path(config))
    soon = {"stall_timeout": 2.0} if words else {"decode_deadline": 1.0}
    settings = settings.model_copy(update={"worker": settings.worker.model_copy(update=soon)})
    configure("info", "json")
    assert "ColumnarDecoder" in vars(consumer.composition.engine), "the worker would be made of the real one"
    vars(consumer.composition.engine)["ColumnarDecoder"] = Freezing if words else Hanging
    sys.exit(run_worker(settings, lambda: settings, until_current=True))


if __name__ == "__main__":
    main()
