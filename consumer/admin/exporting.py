"""Exports as answers: lines while they are read, so that no more letters are held than are read at a time."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import structlog
from anyio import CancelScope, fail_after
from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.types import Send

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

    async def pieces() -> AsyncGenerator[bytes]:
        try:
            # the first turn is taken here, so that its end is reached whatever becomes of the answer
            yield b""
            while piece := await run_in_threadpool(_piece, lines):
                yield piece
        finally:
            # who has hung up is not to keep the session
            with CancelScope(shield=True):
                await run_in_threadpool(opened.close)

    told = pieces()
    await anext(told)
    name = f"letters-{datetime.now(UTC):%Y%m%d-%H%M%S}.{output}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return _Bounded(told, doors.exports.seconds, media_type=_TYPES[output], headers=headers)


class _Bounded(StreamingResponse):
    """An answer that ends after so many seconds, also where its reader takes no more of it."""

    def __init__(self, told: AsyncGenerator[bytes], seconds: float, **more: Any) -> None:
        super().__init__(told, **more)
        self._told = told
        self._seconds = seconds

    async def stream_response(self, send: Send) -> None:
        try:
            with fail_after(self._seconds):
                await super().stream_response(send)
        except TimeoutError:
            # the answer breaks off, so that nobody takes what was sent for all
            log.warning("export takes too long", seconds=self._seconds)
            raise
        finally:
            with CancelScope(shield=True):
                await self._told.aclose()


def _piece(lines: Iterator[str]) -> bytes:
    """The next lines; nothing at the end."""
    return "".join(f"{line}\n" for line in islice(lines, _AT_ONCE)).encode()
