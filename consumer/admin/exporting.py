"""Exports as answers: lines while they are read, so that no more letters are held than are read at a time."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice

import structlog
from anyio import CancelScope
from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from consumer.admin.doors import Doors
from consumer.admin.problems import Busy, Costly
from consumer.ports.desk import Note
from dlq.export import comma_separated, ndjson
from dlq.selection import Selection

log = structlog.get_logger("headrace.admin")

_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
# lines that are sent at a time
_AT_ONCE = 200


async def written(doors: Doors, selection: Selection, note: Note, output: str, *, payloads: bool) -> Response:
    """The answer. Raises Busy, and what the desk raises, before anything is sent."""
    if not doors.exporting.acquire(blocking=False):
        raise Busy("too many exports are being written")
    opened = ExitStack()
    opened.callback(doors.exporting.release)

    def begun() -> Iterator[str]:
        try:
            desk = opened.enter_context(doors.through(doors.letters))
            count = desk.count(selection)
            if count > doors.exports.letters:
                raise Costly(f"these are {count} letters, and an export has {doors.exports.letters} at most")
            found = opened.enter_context(desk.export(selection, note, payloads=payloads))
        except BaseException:
            opened.close()
            raise
        return ndjson(found) if output == "ndjson" else comma_separated(found, payloads=payloads)

    lines = await run_in_threadpool(begun)

    async def pieces() -> AsyncIterator[bytes]:
        try:
            # the first turn is taken here, so that its end is reached whatever becomes of the answer
            yield b""
            until = time.monotonic() + doors.exports.seconds
            while piece := await run_in_threadpool(_piece, lines):
                yield piece
                if time.monotonic() > until:
                    # the answer breaks off, so that nobody takes what was sent for all
                    log.warning("export takes too long", seconds=doors.exports.seconds)
                    raise TimeoutError
        finally:
            # who has hung up is not to keep the session
            with CancelScope(shield=True):
                await run_in_threadpool(opened.close)

    told = pieces()
    await anext(told)
    name = f"letters-{datetime.now(UTC):%Y%m%d-%H%M%S}.{output}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(told, media_type=_TYPES[output], headers=headers)


def _piece(lines: Iterator[str]) -> bytes:
    """The next lines; nothing at the end."""
    return "".join(f"{line}\n" for line in islice(lines, _AT_ONCE)).encode()
