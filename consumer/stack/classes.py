"""Archives of the classes that the stack's Java programs load: made once, by starting and ending these programs."""

import shutil
from pathlib import Path

from consumer.stack import java
from consumer.stack.cache import cache_dir, locked, scratch_dir
from consumer.stack.options import CONNECT, KAFKA, REGISTRY, StackOptions
from consumer.stack.progress import Reporter
from consumer.stack.stack import Stack

_PARTS = (KAFKA, REGISTRY, CONNECT)
_LOCK_SECONDS = 900


def archive(reporter: Reporter) -> tuple[str, ...]:
    """The parts that have an archive; without any, all that can be are made, and those of other versions go.

    Raises what a stack's start raises.
    """
    place = java.archives()
    with locked(cache_dir() / "classes.lock", _LOCK_SECONDS):
        if not place.exists():
            shutil.rmtree(place.parent, ignore_errors=True)
            _write(place, reporter)
    return tuple(sorted(each.stem for each in place.iterdir()))


def _write(place: Path, reporter: Reporter) -> None:
    with scratch_dir(cache_dir() / ".classes") as scratch:
        written = scratch / "archives"
        written.mkdir()
        with Stack.open(scratch / "stack", _PARTS, StackOptions(write_archives=written), reporter):
            reporter.say("ending them, which writes the archives")
        place.parent.mkdir()
        written.replace(place)
