"""Settings that do not go together, and ports that are taken."""

from collections.abc import Mapping
from dataclasses import dataclass

from consumer.core.doctor.finding import Area, Check, Finding

POLL = Check(
    "settings.poll",
    Area.SETTINGS,
    "`max.poll.interval.ms` of `kafka.client`, held against `worker.stall_timeout`",
    "warn: the group would give a worker's partitions away before it ends itself",
)
SESSION = Check(
    "settings.session",
    Area.SETTINGS,
    "`session.timeout.ms` of `kafka.client`, held against `heartbeat.interval.ms` and `max.poll.interval.ms`",
    "warn: a missed heartbeat or two would cost the member its partitions",
)
ANSWERS = Check(
    "settings.answers",
    Area.SETTINGS,
    "`registry.timeout`, held against `worker.stall_timeout`",
    "warn: a registry that hangs would end the worker",
)
TELEMETRY = Check(
    "settings.telemetry_port",
    Area.SETTINGS,
    "`telemetry.port` can be listened on, or is listened on by this program",
    "warn: another program has it; the next free one is taken",
)
ADMIN = Check(
    "settings.admin_port",
    Area.SETTINGS,
    "`admin.port` can be listened on, or is listened on by this program",
    "fail: another program has it, or the address is none of this machine's",
)
OF_SETTINGS = (POLL, SESSION, ANSWERS)
OF_PORTS = (TELEMETRY, ADMIN)

# librdkafka's defaults
_POLL_MS, _SESSION_MS, _BEAT_MS = 300_000, 45_000, 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Times in seconds; of the client None where its defaults count. `new_groups`: the broker says the session's."""

    poll: float | None
    session: float | None
    beat: float | None
    new_groups: bool
    stall: float
    registry: float


def chosen(client: Mapping[str, str], *, stall: float, registry: float) -> Chosen:
    """From the client's settings and ours."""

    def seconds(name: str) -> float | None:
        said = client.get(name, "")
        return int(said) / 1000 if said.isdecimal() else None

    return Chosen(
        poll=seconds("max.poll.interval.ms"),
        session=seconds("session.timeout.ms"),
        beat=seconds("heartbeat.interval.ms"),
        new_groups=client.get("group.protocol") == "consumer",
        stall=stall,
        registry=registry,
    )


def settings(seen: Chosen) -> list[Finding]:
    """Of times."""
    return [_poll(seen), _session(seen), _answers(seen)]


def _poll(seen: Chosen) -> Finding:
    poll = _POLL_MS / 1000 if seen.poll is None else seen.poll
    if poll <= seen.stall:
        detail = f"max.poll.interval.ms is {poll:g} s, and a worker ends itself after {seen.stall:g} s"
        remedy = "Raise max.poll.interval.ms in kafka.client above worker.stall_timeout, or lower that."
        return POLL.warn(detail, remedy)
    return POLL.ok(f"polls within {poll:g} s, and a worker ends itself after {seen.stall:g} s")


def _session(seen: Chosen) -> Finding:
    if seen.new_groups:
        return SESSION.skipped("the broker decides, by the group protocol that is chosen")
    poll = _POLL_MS / 1000 if seen.poll is None else seen.poll
    session = _SESSION_MS / 1000 if seen.session is None else seen.session
    beat = _BEAT_MS / 1000 if seen.beat is None else seen.beat
    if session < 3 * beat:
        detail = f"session.timeout.ms is {session:g} s, and a heartbeat comes every {beat:g} s"
        return SESSION.warn(detail, "Set heartbeat.interval.ms in kafka.client to a third of session.timeout.ms.")
    if session > poll:
        detail = f"session.timeout.ms is {session:g} s, and max.poll.interval.ms is {poll:g} s"
        return SESSION.warn(detail, "Set max.poll.interval.ms in kafka.client above session.timeout.ms.")
    return SESSION.ok(f"{session:g} s, a heartbeat every {beat:g} s")


def _answers(seen: Chosen) -> Finding:
    if seen.registry >= seen.stall:
        detail = f"an answer may take {seen.registry:g} s, and a worker ends itself after {seen.stall:g} s"
        return ANSWERS.warn(detail, "Lower registry.timeout, or raise worker.stall_timeout.")
    return ANSWERS.ok(f"the registry may take {seen.registry:g} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An address to be listened on. `free`: nobody has it; `ours`: this program does; `why`: why it can't be had."""

    address: str
    free: bool
    ours: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """`telemetry`: None where nothing is served."""

    telemetry: Port | None
    admin: Port


def ports(seen: Ports) -> list[Finding]:
    """Of what is to be listened on."""
    found = []
    if seen.telemetry is None:
        found.append(TELEMETRY.skipped("telemetry.serve is false"))
    else:
        remedy = "Set telemetry.port to one that is free, or have the scraper look at the next ones too."
        found.append(_port(TELEMETRY, seen.telemetry) or TELEMETRY.warn(_taken(seen.telemetry), remedy))
    remedy = "Set admin.port to one that is free, and admin.host to an address of the machine that serves it."
    return [*found, _port(ADMIN, seen.admin) or ADMIN.fail(_taken(seen.admin), remedy)]


def _port(check: Check, one: Port) -> Finding | None:
    if one.free:
        return check.ok(f"{one.address} is free")
    return check.ok(f"{one.address}, where this program listens") if one.ours else None


def _taken(one: Port) -> str:
    return f"{one.address} can't be listened on ({one.why or 'another program has it'})"
