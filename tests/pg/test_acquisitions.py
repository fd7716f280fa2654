"""What processes open is closed again, at whichever step opening fails: sessions, files, threads, staging tables.

Each case is a real condition, and each step further than the one before it. Kafka is away, so its clients are made and
nobody answers them.
"""

import gc
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from consumer.admin.app import make_app
from consumer.admin.server import listening
from consumer.composition.build import build_worker
from consumer.composition.desks import (
    admin_doors,
    connectors,
    control,
    desk,
    group_lags,
    group_lookout,
    job_desk,
    letter_desk,
    positions,
    source_desk,
)
from consumer.composition.heard import Heard
from consumer.composition.process import Steering, connections, tracing, watchers
from consumer.composition.reloading import Reloading
from consumer.core.decision import Undecidable
from consumer.core.failure import HeadraceError
from consumer.settings.loading import Settings
from consumer.stack.waiting import wait_until

_NAME = "acquiring"
_WARM: list[bool] = []
_OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'headrace %'"
_STAGED = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'headrace%'"


def held() -> dict[str, int]:
    """What this process holds: files and sockets, threads of Python and of libraries."""
    # a life takes what was there at its start out of the collector's sight
    gc.unfreeze()
    gc.collect()
    me = psutil.Process()
    return {"files": me.num_fds(), "threads": me.num_threads(), "ours": threading.active_count()}


@pytest.fixture(autouse=True)
def untuned() -> Iterator[None]:
    """What a life tunes in its process is as before; what libraries log, and pytest keeps, is not logged."""
    logging.disable(logging.CRITICAL)
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    logging.disable(logging.NOTSET)


@contextmanager
def nothing_kept(session: psycopg.Connection) -> Iterator[None]:
    """Afterwards there is no more than before, once what ends by itself has ended."""
    before, sessions = held(), session.execute(_OURS).fetchone()
    yield

    def settled() -> bool:
        now = held()
        return all(now[name] <= before[name] for name in before) and session.execute(_OURS).fetchone() == sessions

    assert wait_until(settled, 20), (before, held(), session.execute(_OURS).fetchone())
    assert session.execute(_STAGED).fetchone() == (0,)


@pytest.fixture
def made(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, Any]], Settings]:
    """Settings of a worker on the real target whose cluster is away."""
    monkeypatch.chdir(tmp_path)

    def make(changes: Mapping[str, Any]) -> Settings:
        sections: dict[str, dict[str, Any]] = {
            "kafka": {"bootstrap_servers": "127.0.0.1:1", "topics": ["a"], "group": "acquiring", "request_timeout": 1},
            "registry": {"url": "http://127.0.0.1:1/apis/ccompat/v7", "timeout": 0.5},
            "target": {"dsn": server},
            "telemetry": {"port": 0},
            "worker": {"name": _NAME, "drain_timeout": 20},
        }
        for path, value in changes.items():
            section, name = path.split(".", 1)
            sections.setdefault(section, {})[name] = value
        return Settings.model_validate(sections)

    return make


_STEPS: dict[str, dict[str, Any]] = {
    "the ports of telemetry are taken": {"telemetry.port": "taken"},
    "a contract is not there": {"topics.a": {"contract": "nowhere.avsc"}},
    "a transform is not there": {"tables.public.t": {"transform": "nowhere"}},
    "a secret is not there": {"connect.url": "http://127.0.0.1:1", "connect.password_file": "nowhere"},
    "the client takes no such setting": {"kafka.client": {"no.such.setting": "1"}},
    "the target's name is none": {"target.dsn": "host=h port=none"},
    "the target is away": {"target.dsn": "host=127.0.0.1 port=1 dbname=x user=x"},
    "the target refuses the user": {"target.dsn": "nobody"},
    "nothing": {},
}


@pytest.mark.parametrize("step", _STEPS)
def test_a_worker_keeps_nothing_wherever_its_start_fails(
    session: psycopg.Connection, server: str, made: Callable[[Mapping[str, Any]], Settings], step: str
) -> None:
    """From its metrics to its first session; also when nothing fails, and it is told to stop."""
    changes = dict(_STEPS[step])
    if changes.get("target.dsn") == "nobody":
        changes["target.dsn"] = psycopg.conninfo.make_conninfo(server, user="nobody_at_all")
    if not _WARM:
        # libraries make threads of their own once
        _lived(made({}), 0.3)
        _WARM.append(True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        if changes.get("telemetry.port") == "taken":
            changes["telemetry.port"] = taken.getsockname()[1]
        with nothing_kept(session):
            _lived(made(changes), 0.5)


def _lived(settings: Settings, seconds: float) -> None:
    """A worker in this process for so long, or until it can't go on."""
    end = threading.Event()
    timer = threading.Timer(seconds, end.set)
    timer.start()
    try:
        heard = Heard()
        with (
            connections(settings, _NAME) as shared,
            tracing(settings, _NAME, heard) as traces,
            watchers(settings, [one.tell for one in traces]) as told,
        ):
            steering = Steering(heard, Reloading(settings, lambda: settings))
            build_worker(settings, _NAME, shared, told, steering).run(lambda: end.wait(0.01))
    except HeadraceError:
        pass
    finally:
        timer.cancel()
        timer.join()


_DESKS: dict[str, Callable[[Settings], Any]] = {
    each.__name__: each
    for each in (desk, positions, control, letter_desk, job_desk, source_desk, connectors, group_lags, group_lookout)
}


@pytest.mark.parametrize("step", ["the target is away", "nothing"])
@pytest.mark.parametrize("name", _DESKS)
def test_a_desk_keeps_nothing(
    session: psycopg.Connection, made: Callable[[Mapping[str, Any]], Settings], name: str, step: str
) -> None:
    """Whether it could be opened or not."""
    settings = made(_STEPS[step])
    with nothing_kept(session):
        try:
            with _DESKS[name](settings):
                pass
        except HeadraceError:
            assert step != "nothing"
        except Undecidable:
            # there is no connector to ask
            assert name == "source_desk"


@pytest.mark.parametrize("step", ["its port is taken", "a secret of the provider is not there"])
def test_the_admin_process_keeps_nothing(
    session: psycopg.Connection, made: Callable[[Mapping[str, Any]], Settings], step: str
) -> None:
    """Where it can't begin to listen, or has no way to log people in."""
    with socket.create_server(("127.0.0.1", 0)) as taken, nothing_kept(session):
        port = taken.getsockname()[1]
        oidc = {
            "issuer": "https://127.0.0.1:1",
            "audience": "a",
            "client_secret_file": "nowhere",
            "roles": {"all": "admin"},
        }
        settings = made({"admin.port": port} if step.startswith("its") else {"admin.oidc": oidc})
        with pytest.raises(HeadraceError):
            _served(settings)


def _served(settings: Settings) -> None:
    make_app(settings.admin, admin_doors(settings, Reloading(settings, lambda: settings)))
    with listening(settings.admin.host, settings.admin.port):
        pass
