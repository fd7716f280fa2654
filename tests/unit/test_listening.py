"""Where the admin process and metrics listen: an address of either family."""

import httpx
from fastapi import FastAPI

from consumer.admin.server import listening
from consumer.telemetry.labels import Bounded
from consumer.telemetry.watchers import Watchers
from tests.admin.serving import served


def statuses(port: int, path: str) -> list[int]:
    """What is answered at this machine's own addresses."""
    return [httpx.get(f"http://{host}:{port}{path}", timeout=10).status_code for host in ("[::1]", "127.0.0.1")]


def test_the_admin_process_listens_on_every_address_of_either_family() -> None:
    """As a pod has one of IPv6 alone, of IPv4 alone, or both."""
    with listening("::", 0) as bound, served(FastAPI(), bound):
        assert statuses(bound.getsockname()[1], "/openapi.json") == [200, 200]


def test_metrics_and_probes_do_too() -> None:
    """By the same word."""
    told = Watchers(Bounded(9))
    with told.serving("::", 0):
        assert told.port is not None
        assert statuses(told.port, "/healthz") == [200, 200]
