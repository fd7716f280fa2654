"""The process: listens until it is told to end, and lets answers end first."""

import uvicorn
from fastapi import FastAPI

# seconds that answers have to end
_GRACE = 5


def serve(app: FastAPI, host: str, port: int) -> None:
    """Until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
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
    server.run()
