"""The composition root of a worker: with what it is made of, the one place that names its edges."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from consumer.background.lookout import Lookout
from consumer.composition.engine import Bindings, Engine, bindings_of, engine_of, planners_of
from consumer.composition.heeding import Heeding
from consumer.composition.process import Connections, Given, Steering, group_samples, table_names
from consumer.composition.reporting import Parts
from consumer.composition.sides import (
    Letters,
    healer_of,
    importing,
    letters_of,
    looking,
    lookout_of,
    presence_of,
    recovering,
)
from consumer.core.flags import Flag, off_by
from consumer.core.records import OffsetRange
from consumer.edges.memory import resident
from consumer.edges.postgres import flags, memory
from consumer.lifecycle import Hooks, LifeSettings, Side, WorkerLife
from consumer.ports.target import Retention
from consumer.settings.loading import Settings
from consumer.telemetry.grouping import looked_samples
from consumer.telemetry.watchers import Probes, Watchers
from consumer.telemetry.working import pressure_samples, worker_samples


def build_worker(settings: Settings, name: str, shared: Connections, told: Watchers, steering: Steering) -> WorkerLife:
    """One worker, not started, and watched."""
    given = Given(settings, name, shared, told, steering)
    bindings = bindings_of(given)
    planners = planners_of(given, bindings)
    engine = engine_of(given, bindings, planners)
    letters = letters_of(given, bindings, planners)
    parts = _parts(given, engine)
    presence = presence_of(given, parts, engine.applier.look_soon)
    lookout, healer = lookout_of(given, bindings.offsets), healer_of(given, engine.source.join_anew)
    _steer(given, bindings, engine, letters)
    sides = [
        Side("binder", bindings.ahead.turn, bindings.close),
        Side("topics", engine.watch.turn, lambda: None),
        *letters.sides(steering.heard),
        *importing(settings, shared, told.tell),
        looking(steering.reloading, shared, bindings, told.tell),
        recovering(steering.reloading, name, shared, bindings.offsets, told.tell),
        Side("lookout", lookout.turn, lambda: None),
        Side("healer", healer.turn, healer.close),
        Side("healing", shared.recorder.turn, shared.recorder.close),
        # the last to end, so that it can say that the others do
        Side("presence", presence.turn, presence.close),
    ]
    hooks = Hooks(
        close_target=engine.close_target,
        mark=_marking(given),
        sides=sides,
        watches=planners.watches,
        leaving=parts.leaving,
        hurried=steering.hurried,
        cut=engine.sink.cut,
        tell=told.tell,
    )
    life = WorkerLife(engine.reader, engine.applier, _life(settings), hooks)
    for teller in (
        *(engine.sink, engine.patience, engine.holdings, engine.reader, engine.applier, engine.source),
        *(letters.postman, letters.expiry, letters.searcher, letters.jobbing, lookout, presence, healer),
        *(shared.target, shared.registry),
    ):
        teller.tell = told.tell
    _watch(given, engine, parts, life, lookout)
    return life


def _parts(given: Given, engine: Engine) -> Parts:
    """What the worker says of itself, and what it can be told."""
    return Parts(
        held=engine.source.held,
        opened=lambda: engine.applier.opened,
        handover=engine.handover,
        patience=engine.patience,
        breakers=(given.shared.target, given.shared.registry),
        resident=resident,
        leaving=threading.Event(),
        metrics_port=lambda: given.told.port,
        flags_off=lambda: given.steering.heard.off,
        held_back=lambda: engine.reader.rationing.held_back,
        reload=given.steering.reloading.reload_by_command,
    )


def _steer(given: Given, bindings: Bindings, engine: Engine, letters: Letters) -> None:
    """Have flags and changed settings heeded."""
    heard, applier, pool = given.steering.heard, engine.applier, given.shared.pool
    heard.heed(Flag.SCHEMA_EVOLUTION, lambda: applier.bind_anew(lambda: bindings.binder.forget(None)))
    given.steering.reloading.use = Heeding(
        binder=bindings.binder,
        applier=applier,
        names=table_names(given.settings, given.shared),
        pointing=letters.pointing,
        reading=(engine.source, bindings.offsets),
    ).use

    def learn_flags() -> None:
        heard.learn(off_by(pool.ask(lambda session: flags.everything(session, given.group))))

    applier.opened_first = learn_flags


def _marking(given: Given) -> Callable[[Sequence[OffsetRange]], None]:
    """Writes decode marks."""

    def mark(ranges: Sequence[OffsetRange]) -> None:
        given.shared.pool.ask(lambda session: memory.mark(session, given.group, ranges))

    return mark


def _life(settings: Settings) -> LifeSettings:
    return LifeSettings(
        drain_timeout=settings.worker.drain_timeout,
        stall_timeout=settings.worker.stall_timeout,
        keep=Retention(
            ledger=settings.ledger.keep_hours,
            closed_letters=settings.letters.keep_closed_hours,
            moved=settings.target.keep_moved_hours,
            changes=settings.evolution.keep_hours,
            workflows=settings.reconcile.keep_hours,
        ),
    )


def _watch(given: Given, engine: Engine, parts: Parts, life: WorkerLife, lookout: Lookout) -> None:
    """Have those who watch ask."""
    told, rationing, pool = given.told, engine.reader.rationing, given.shared.pool
    told.probe(probes(given.settings, life, parts))
    group = group_samples(given.steering.reloading, told)
    told.ask(lambda: looked_samples(lookout.looked))
    told.ask(lambda: group.of(lookout.seen))
    told.ask(lambda: worker_samples(parts.report(0.0), pool.status(), _since_1970(life.turned)))
    told.ask(lambda: pressure_samples(rationing.held_back, rationing.waited))


def probes(settings: Settings, life: WorkerLife, parts: Parts) -> Probes:
    """What is asked of a worker: whether it polls, and whether it works."""

    def dead() -> str:
        still = time.monotonic() - life.turned["reader"]
        return "" if still <= settings.telemetry.turn_within else f"the poll loop has not turned for {still:.0f} s"

    def unready() -> str:
        state = parts.report(0.0).state
        return "" if state == "running" else f"the worker is {state}"

    return Probes(dead=dead, unready=unready)


def _since_1970(moments: Mapping[str, float]) -> dict[str, float]:
    """Moments of the clock that never runs back."""
    begun = time.time() - time.monotonic()
    return {name: begun + moment for name, moment in moments.items()}
