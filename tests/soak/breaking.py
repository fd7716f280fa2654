"""The faults, done and taken back."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

import psycopg

from consumer.stack.options import KAFKA, TARGET
from tests.faults.link import Link
from tests.faults.test_f05_f06_target import END
from tests.real.engine.worker import eventually

from .ground import Ground
from .plan import Fault

_FETCH = 1


@contextmanager
def broken(ground: Ground, fault: Fault, still: threading.Event) -> Iterator[None]:
    """Break it, and the second one beside it, for as long as they last; then mend both. `still` is waited on."""
    with ExitStack() as mended:
        for each in (fault, fault.beside):
            if each is not None:
                mended.enter_context(_BREAKS[each.kind](ground, each))
        yield
        still.wait(max(fault.lasts, fault.beside.lasts if fault.beside else 0.0))


Break = Callable[[Ground, Fault], AbstractContextManager[None]]


def _way(which: Callable[[Ground], Link], do: Callable[[Link], object], back: Callable[[Link], object]) -> Break:
    @contextmanager
    def breaks(ground: Ground, fault: Fault) -> Iterator[None]:
        do(which(ground))
        try:
            yield
        finally:
            back(which(ground))

    return breaks


def _once(do: Callable[[Ground, Fault], object]) -> Break:
    @contextmanager
    def breaks(ground: Ground, fault: Fault) -> Iterator[None]:
        do(ground, fault)
        yield

    return breaks


def _sessions_ended(ground: Ground, fault: Fault) -> None:
    ground.target.do(END)


@contextmanager
def _frozen(ground: Ground, fault: Fault) -> Iterator[None]:
    ground.stack.pause(TARGET)
    try:
        yield
    finally:
        ground.stack.resume(TARGET)


def _down(part: str, number: signal.Signals) -> Break:
    @contextmanager
    def breaks(ground: Ground, fault: Fault) -> Iterator[None]:
        ground.stack.kill(part, number)
        try:
            yield
        finally:
            ground.stack.start_part(part)

    return breaks


@contextmanager
def _read_only(ground: Ground, fault: Fault) -> Iterator[None]:
    _writes(ground, "on")
    try:
        yield
    finally:
        _writes(ground, "off")


def _writes(ground: Ground, read_only: str) -> None:
    with psycopg.connect(ground.stack.endpoints.target_dsn, autocommit=True) as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute(f"ALTER SYSTEM SET default_transaction_read_only = {read_only}".encode())
        session.execute("SELECT pg_reload_conf()")


@contextmanager
def _locked(ground: Ground, fault: Fault) -> Iterator[None]:
    table = "once" if fault.draw < 0.5 else "churn"
    with psycopg.connect(ground.target.dsn) as session:
        session.execute("SET lock_timeout = '20s'")
        session.execute(f"LOCK TABLE public.{table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        # its server may have been restarted meanwhile
        with suppress(psycopg.Error):
            session.rollback()


@contextmanager
def _registry_sick(ground: Ground, fault: Fault) -> Iterator[None]:
    ground.front.status = 503
    try:
        yield
    finally:
        ground.front.status = 0


def _mortal(ground: Ground, fault: Fault) -> int | None:
    found = ground.mortals()
    return found[int(fault.draw * len(found))] if found else None


def _killed(ground: Ground, fault: Fault) -> None:
    mortal = _mortal(ground, fault)
    if mortal is not None:
        with suppress(ProcessLookupError):
            os.kill(mortal, signal.SIGKILL)


@contextmanager
def _stopped(ground: Ground, fault: Fault) -> Iterator[None]:
    mortal = _mortal(ground, fault)
    with suppress(ProcessLookupError):
        if mortal is not None:
            os.kill(mortal, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            if mortal is not None:
                os.kill(mortal, signal.SIGCONT)


def _told_to_leave(ground: Ground, fault: Fault) -> None:
    code = ground.service.leave(90)
    assert code == 0, f"the service ended with {code}:\n{ground.service.text()[-3000:]}"
    ground.serve()


def _damaged(ground: Ground, fault: Fault) -> None:
    feed = ground.once if fault.draw < 0.5 else ground.churn
    key = 10_000_000 + fault.number
    broken = feed.encode("c", key, {"id": key, "label": "damaged", "amount": 1})[:-3]
    ground.damaged.append((feed.topic, key % feed.partitions, key))
    feed.raw(broken, key)


def warm(ground: Ground) -> None:
    """Have a letter written and published, so that the clients for that are there before anything is measured."""
    _damaged(ground, Fault(-1, 0.0, "a damaged record", 0.0, 0.0))
    published = "SELECT count(*) FROM headrace.letters WHERE state = 'dead' AND published_attempt = attempt"
    eventually(lambda: ground.target.ask(published) == [(1,)], "a letter is published", 120)


def _target(ground: Ground) -> Link:
    return ground.target_way


def _kafka(ground: Ground) -> Link:
    return ground.kafka


def _registry(ground: Ground) -> Link:
    return ground.registry_way


def _nothing(link: Link) -> None:
    """What mends itself."""


_BREAKS: dict[str, Break] = {
    "target sessions ended": _once(_sessions_ended),
    "target cut": _way(_target, Link.cut, _nothing),
    "target silent": _way(_target, Link.stop, Link.go),
    "target slow": _way(_target, lambda link: link.slow(0.1), Link.go),
    "target refuses": _way(_target, Link.refuse, Link.accept),
    "target frozen": _frozen,
    "target restarted": _down(TARGET, signal.SIGQUIT),
    "target takes no writes": _read_only,
    "a table locked": _locked,
    "broker cut": _way(_kafka, Link.cut, _nothing),
    "broker silent": _way(_kafka, Link.stop, Link.go),
    "broker slow": _way(_kafka, lambda link: link.slow(0.2), Link.go),
    "broker refuses": _way(_kafka, Link.refuse, Link.accept),
    "broker answers no fetch": _way(_kafka, lambda link: link.swallow(_FETCH), lambda link: (link.go(), link.cut())),
    "broker killed": _down(KAFKA, signal.SIGKILL),
    "registry refuses": _way(_registry, Link.refuse, Link.accept),
    "registry answers 503": _registry_sick,
    "worker killed": _once(_killed),
    "worker stopped": _stopped,
    "service told to leave": _once(_told_to_leave),
    "admin killed": _once(lambda ground, fault: ground.office.kill()),
    "a damaged record": _once(_damaged),
}
