"""What `headrace doctor` makes of a target: its server, the control schema, and tables."""

from dataclasses import replace

import pytest

from consumer.core.doctor import tables, target
from consumer.core.doctor.finding import Level
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from tests.unit.findings import AWAY, told

SERVER = target.Server(
    version=160_004, version_said="16.4", role="r", database="d", standby=False, read_only=False, encoding="UTF8",
    temporary=True, tls="TLSv1.3 X", ssl_mode="verify-full", local=False, clock_ahead=0.2, transaction_timeout=0.0,
    idle_session_timeout=0.0,
)  # fmt: skip
WANTS = target.Wants(batch_deadline=30, pool_idle=300, per_worker=6, of_admin=17)


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (SERVER, {}),
        (replace(SERVER, tls=""), {"target.security": "warn"}),
        (replace(SERVER, ssl_mode="require"), {"target.security": "warn"}),
        (replace(SERVER, tls="", local=True), {}),
        (replace(SERVER, version=130_001), {"target.version": "fail"}),
        (replace(SERVER, standby=True, read_only=True), {"target.writable": "fail"}),
        (replace(SERVER, read_only=True), {"target.writable": "fail"}),
        (replace(SERVER, encoding="LATIN1"), {"target.encoding": "fail"}),
        (replace(SERVER, temporary=False), {"target.staging": "fail"}),
        (replace(SERVER, clock_ahead=-9.0), {"target.clock": "warn"}),
        (replace(SERVER, transaction_timeout=37.5), {"target.timeouts": "fail"}),
        (replace(SERVER, transaction_timeout=38.0), {}),
        (replace(SERVER, idle_session_timeout=300.0), {"target.timeouts": "warn"}),
        (replace(SERVER, idle_session_timeout=301.0), {}),
    ],
)
def test_servers(seen: target.Server, wanted: dict[str, str]) -> None:
    """One that a worker can do its work with."""
    assert told(target.server(seen, WANTS)) == wanted


@pytest.mark.parametrize(("workers", "wanted"), [(12, {}), (13, {"target.connections": "warn"})])
def test_sessions(workers: int, wanted: dict[str, str]) -> None:
    """12 workers want 72 sessions and the admin process 17: 89 of 90."""
    assert told(target.room({"max_connections": target.Room(most=100, others=10)}, WANTS, workers)) == wanted


CONTROL = target.Control(version=22, wanted=22, refused=None, may_migrate=True, lacks={}, role="r")
OLDER = failed(KINDS["target.older"], "postgres", "schema version", "it is older")
NEWER = failed(KINDS["target.newer"], "postgres", "schema version", "it is newer")


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (CONTROL, {}),
        (replace(CONTROL, version=0, refused=OLDER), {"target.schema": "warn"}),
        (replace(CONTROL, version=20, refused=OLDER, may_migrate=False), {"target.schema": "fail"}),
        (replace(CONTROL, version=30, refused=NEWER), {"target.schema": "fail"}),
        (replace(CONTROL, lacks={"positions": ("UPDATE",)}), {"target.control": "fail"}),
    ],
)
def test_control_schemas(seen: target.Control, wanted: dict[str, str]) -> None:
    """Of this program's version, and ours to write."""
    assert told(target.control(seen)) == wanted


FIT = tables.Fit(topic="orders", table="public.orders")
BAD = failed(KINDS["record.value"], "planner", "plan", "a value does not fit")


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (FIT, {}),
        (replace(FIT, read=False), {}),
        (replace(FIT, steps=("CREATE TABLE public.orders (…)",)), {}),
        (replace(FIT, steps=("ALTER TABLE public.orders ADD …",)), {"target.tables": "warn"}),
        (replace(FIT, unheeded=("v",)), {"target.tables": "warn"}),
        (replace(FIT, failure=BAD), {"target.tables": "warn"}),
        (replace(FIT, failure=AWAY, stops=True), {"target.tables": "fail"}),
        (replace(FIT, lacking=(tables.Lacking(column="h", wanted="hstore", gets="jsonb"),)),
         {"target.extensions": "warn"}),
    ],
)  # fmt: skip
def test_tables(seen: tables.Fit, wanted: dict[str, str]) -> None:
    """What would become of the newest record."""
    assert told(tables.tables([seen])) == wanted


def test_labels_of_enums_are_told_nobody() -> None:
    """They are values of rows."""
    labelled = replace(FIT, steps=("ALTER TYPE public.mood ADD VALUE IF NOT EXISTS 'canary'",))
    (found, _) = tables.tables([labelled])
    assert found.level is Level.WARN
    assert "canary" not in found.detail
