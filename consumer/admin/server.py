"""The process: listens until it is told to end, and lets answers end first."""

import gc
import os
import signal
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS

# seconds that answers have to end
_GRACE = 5


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; its owner closes it. Raises Refused."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # "::" is every address of this machine, of either family, as metrics and probes have it
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        bound = socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        detail = f"admin.host and admin.port can't be listened on ({os.strerror(error.errno or 0)}): port {port}"
        remedy = "Set admin.port to one that is free, or end who has it."
        raise Refused(failed(KINDS["worker.settings"], "admin", "listen", detail, remedy=remedy)) from error
    # connections have it too; else an answer of two pieces waits 40 ms for the client's word that it has the first
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def serve(app: FastAPI, bound: socket.socket, ready: Callable[[], None]) -> None:
    """Until SIGTERM or SIGINT, and return then. `ready`: called as soon as these end it in order."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_GRACE,
        limit_concurrency=200,
        h11_max_incomplete_event_size=65_536,
    )
    server = uvicorn.Server(config)
    app.state.ending = lambda: server.should_exit

    def end(*_: object) -> None:
        server.should_exit = True

    # uvicorn raises the signal once more when it has ended: by the handlers of before, nothing else would be closed
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    # what a start made stays, and the collector would walk all of it in the middle of answers
    gc.collect()
    gc.freeze()
    try:
        ready()
        server.run([bound])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
