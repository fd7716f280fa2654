"""This machine as `headrace doctor` asks about it: whether ports can be listened on, and by whom they are."""

import socket
from dataclasses import dataclass

import urllib3

from consumer.core.doctor.settings import Port, Ports

_PATIENCE = 2.0
# what answers there if it is of this program
_OURS = ("/healthz", "/readyz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Implements `consumer.ports.examining.Listening`. Hosts and ports; `telemetry`: None where nothing is served."""

    telemetry: tuple[str, int] | None
    admin: tuple[str, int]

    def ports(self) -> Ports:
        return Ports(telemetry=None if self.telemetry is None else _port(*self.telemetry), admin=_port(*self.admin))


def _port(host: str, port: int) -> Port:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    why = _refusal(host, port)
    return Port(address=address, free=not why, ours=bool(why) and _is_ours(address), why=why)


def _refusal(host: str, port: int) -> str:
    """Why it can't be listened on; nothing when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # what is listened on is refused, also where an ended connection still lingers
        with socket.create_server((host, port), family=family):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def _is_ours(address: str) -> bool:
    """Whether what answers there answers as this program does."""
    pool = urllib3.PoolManager(timeout=_PATIENCE, retries=False)
    try:
        found = [pool.request("GET", f"http://{address.replace('0.0.0.0', '127.0.0.1')}{path}") for path in _OURS]
    except urllib3.exceptions.HTTPError:
        return False
    finally:
        pool.clear()
    return all(answer.status in (200, 503) for answer in found)
