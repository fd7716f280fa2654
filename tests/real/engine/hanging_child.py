"""A child program whose columnar decoder never returns, as native code did on damaged blocks."""

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


def main() -> None:
    """Run the real worker around the hanging decoder."""
    settings = load(Path(sys.argv[1]))
    settings = settings.model_copy(update={"worker": settings.worker.model_copy(update={"decode_deadline": 1.0})})
    configure("info", "json")
    assert "ColumnarDecoder" in vars(consumer.composition.engine), "the worker would be made of the real one"
    vars(consumer.composition.engine)["ColumnarDecoder"] = Hanging
    sys.exit(run_worker(settings, lambda: settings, until_current=True))


if __name__ == "__main__":
    main()
