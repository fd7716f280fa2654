"""The API's process is killed while it makes a job or decides about one: that is done as a whole, or not at all."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from consumer.stack.waiting import wait_until
from tests.admin.scene import Shop
from tests.admin.test_serving import settings_of
from tests.real.engine.wire import Hold, Proxy

API = "/api/v1"
WHY = {"reason": "ticket 1"}
LETTERS = 3
# side, statement
_MAKING = {
    "the job is written": ("after", "INSERT INTO headrace.jobs"),
    "its letters are": ("after", "INSERT INTO headrace.job_items"),
    "the audit is": ("after", "INSERT INTO headrace.audit"),
    "it is to be committed": ("before", "COMMIT"),
    "it is committed and not answered": ("after", "COMMIT"),
}
_DECIDING = {
    "the job is locked": ("after", "SELECT state FROM headrace.jobs"),
    "its state is written": ("after", "UPDATE headrace.jobs SET state"),
    "the audit is": ("after", "INSERT INTO headrace.audit"),
    "it is to be committed": ("before", "COMMIT"),
    "it is committed and not answered": ("after", "COMMIT"),
}


@contextmanager
def serving(shop: Shop, dsn: str, directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process, which answers by now, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings = settings_of(shop, ADMIN__PORT=str(port), TARGET__DSN=dsn)
    command = [sys.executable, "-m", "consumer", "admin", "serve"]
    process = subprocess.Popen(command, env={**os.environ, **settings}, cwd=directory, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with suppress(httpx.HTTPError):
            return bool(httpx.get(f"{address}/readyz", timeout=30, verify=False).json()["ready"])
        assert process.poll() is None
        return False

    try:
        assert wait_until(answers, 60)
        yield process, address
    finally:
        process.kill()
        process.wait(10)


def killed(shop: Shop, directory: Path, point: tuple[str, str], path: str, body: dict[str, Any]) -> None:
    """Ask for something, and kill the process at a statement of what it does."""
    side, pattern = point
    with Proxy(shop.dsn) as proxy, serving(shop, proxy.dsn, directory) as (process, address):

        def ask() -> None:
            with suppress(httpx.TransportError):
                httpx.post(address + API + path, json=body, timeout=60, verify=False)

        # of its transaction, and no other one
        hold = proxy.after("INSERT INTO headrace.audit") if pattern == "COMMIT" else held(proxy, side, pattern)
        asking = threading.Thread(target=ask)
        asking.start()
        hold.wait()
        if pattern == "COMMIT":
            audit, hold = hold, held(proxy, side, pattern)
            audit.deliver()
            hold.wait()
        process.kill()
        asking.join(60)
        assert not asking.is_alive()
        hold.discard()
    waits = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'headrace%%' AND state LIKE 'idle in%%'"
    assert wait_until(lambda: not shop.session.execute(waits).fetchall(), 30), "a session of the dead is left"


def held(proxy: Proxy, side: str, pattern: str) -> Hold:
    """A hold at a statement."""
    return (proxy.before if side == "before" else proxy.after)(pattern)


def audited(shop: Shop, action: str) -> int:
    """How often that was done."""
    return [one for _, one, _ in shop.audit()].count(action)


@pytest.mark.parametrize("point", _MAKING)
def test_killed_while_a_job_is_made(shop: Shop, here: httpx.Client, tmp_path: Path, point: str) -> None:
    """Whoever asks again makes it, or sees that it is there; each letter is in it once."""
    letters = [shop.bad(number) for number in range(2, 2 + LETTERS)]
    order = {"letters": {"id": letters}, "expect": LETTERS, **WHY}
    killed(shop, tmp_path, _MAKING[point], "/jobs", order)

    there = point == "it is committed and not answered"
    query = "SELECT count(*) FROM headrace.job_items WHERE letter_id = ANY (%s)"
    assert shop.session.execute(query, (letters,)).fetchone() == (LETTERS if there else 0,)
    assert audited(shop, "create job") == int(there)
    again = here.post(f"{API}/jobs", json=order)
    assert again.status_code == (409 if there else 201), again.text
    (job,) = here.get(f"{API}/jobs").json()["items"]
    assert (job["items"], job["counts"]) == (LETTERS, {"waiting": LETTERS})
    assert audited(shop, "create job") == 1


@pytest.mark.parametrize("point", _DECIDING)
def test_killed_while_a_job_is_decided_about(shop: Shop, here: httpx.Client, tmp_path: Path, point: str) -> None:
    """Its state, its letters and the audit say one thing; whoever asks again decides it, or sees that it is decided."""
    number = shop.job([shop.bad(number) for number in range(2, 2 + LETTERS)])
    killed(shop, tmp_path, _DECIDING[point], f"/jobs/{number}/cancel", WHY)

    done = point == "it is committed and not answered"
    job = here.get(f"{API}/jobs/{number}").json()
    state, counts = ("cancelled", {"cancelled": LETTERS}) if done else ("planned", {"waiting": LETTERS})
    assert (job["state"], job["counts"], audited(shop, "cancel job")) == (state, counts, int(done))
    again = here.post(f"{API}/jobs/{number}/cancel", json=WHY)
    assert again.status_code == (409 if done else 200), again.text
    assert here.get(f"{API}/jobs/{number}").json()["state"] == "cancelled"
    assert audited(shop, "cancel job") == 1
