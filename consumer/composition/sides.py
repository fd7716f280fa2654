"""Loops beside reading and applying, composed."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

import psycopg

from consumer.applying.rereading import BELIEVED, Rereading
from consumer.background.expiry import Expiry
from consumer.background.healer import Healer
from consumer.background.jobbing import Jobbing
from consumer.background.lookout import Lookout
from consumer.background.lookout import Sources as LookoutSources
from consumer.background.postman import Postman
from consumer.background.presence import Presence, Telling
from consumer.background.searcher import Searcher
from consumer.background.working import Working
from consumer.composition import dead_letters
from consumer.composition.comparing import acts as workflow_acts
from consumer.composition.comparing import comparison
from consumer.composition.edge_settings import (
    connect_client,
    frames,
    kafka_settings,
    letter_topics,
    pointing,
    restart_budget,
    session_settings,
)
from consumer.composition.engine import CODEC, Bindings, Planners
from consumer.composition.heard import Heard
from consumer.composition.process import Connections, Given, ours_by
from consumer.composition.reloading import Reloading
from consumer.composition.reporting import Parts
from consumer.composition.undo_acts import undo_acts
from consumer.core.jobs import JobKind
from consumer.edges.kafka.ages import KafkaAges
from consumer.edges.kafka.letterbox import KafkaLetterbox
from consumer.edges.kafka.logs import KafkaLogs
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.postgres import fleet, starting
from consumer.edges.postgres.board import PostgresBoard
from consumer.edges.postgres.healing import PostgresAbandoned
from consumer.edges.postgres.jobs import Act, PostgresJobs
from consumer.edges.postgres.lookup import PostgresOverview
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.outlook import PostgresOutlook
from consumer.edges.postgres.pointers import PostgresPointers
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.searches import PostgresSearches
from consumer.edges.postgres.value_searches import PostgresValueSearches
from consumer.edges.postgres.workflows import PostgresWorkflows
from consumer.lifecycle import Side
from consumer.ports.facts import Tell
from consumer.ports.topics import LogEnds, Moments
from consumer.reading.unread import Unread
from consumer.settings.loading import Settings
from dlq.actions import discard, replay
from dlq.masking import Mask
from dlq.payload import Sources
from dlq.value_search import judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """What is done with letters beside reading and applying. `pointing`: who knows tables whose letters only point."""

    postman: Postman
    expiry: Expiry
    searcher: Searcher
    jobbing: Jobbing
    pointing: tuple[PostgresOutbox, PostgresPointers]

    def sides(self, heard: Heard) -> list[Side]:
        """Their loops. Nothing is published before it is known which flags are off."""

        def post(timeout: float) -> None:
            # a turn of its own, so that no turn has the waits of both
            if heard.known(timeout) and not self.expiry.turn():
                self.postman.turn(timeout)

        return [
            Side("postman", post, self.postman.close),
            Side("searcher", self.searcher.turn, self.searcher.close),
            Side("jobs", self.jobbing.turn, lambda: None),
        ]


def letters_of(given: Given, bindings: Bindings, planners: Planners) -> Letters:
    """Nothing is opened yet."""
    settings, pool, group = given.settings, given.shared.pool, given.group
    kafka, points = kafka_settings(settings), pointing(settings)
    outbox, pointers = PostgresOutbox(pool, group, points), PostgresPointers(pool, group, points)
    postman = Postman(outbox, KafkaLetterbox(kafka), CODEC, settings.lane, letter_topics(settings))
    postman.switches = given.steering.heard
    behind = Rereading(KafkaOrigins(kafka), bindings.offsets, BELIEVED)
    searches = PostgresSearches(pool, group)
    return Letters(
        postman=postman,
        expiry=Expiry(pointers, KafkaLogs(kafka), settings.letters.expiry_warning_hours),
        searcher=Searcher(searches, behind, bindings.offsets, planners.searching, bindings.binder),
        jobbing=Jobbing(PostgresJobs(pool, group, acts(settings)), postman.wake),
        pointing=(outbox, pointers),
    )


def acts(settings: Settings) -> dict[JobKind, Act]:
    """What jobs do with letters."""
    most = settings.letters.max_replays
    return {
        JobKind.REPLAY: lambda session, group, part: replay(session, group, part.letters, most=most).changed,
        JobKind.DISCARD: lambda session, group, part: (
            discard(session, group, part.letters, part.reason, job=part.job).changed
        ),
    }


def importing(settings: Settings, shared: Connections, tell: Tell) -> list[Side]:
    """What reads dead letters of others, if they are wanted."""
    wanted = settings.imports.topics
    if not wanted:
        return []
    reads = dead_letters.importer(settings, dead_letters.imports(settings, shared.pool), wanted)
    reads.tell = tell
    return [Side("imports", reads.turn, reads.close)]


def looking(reloading: Reloading, shared: Connections, bindings: Bindings, tell: Tell) -> Side:
    """What searches letters by values, and looks whether a registry that was away is back: both ask it."""
    settings, registry = reloading.settings, bindings.registry
    origins = Rereading(KafkaOrigins(kafka_settings(settings)), bindings.offsets)
    sources = Sources(registry=registry, fetch=origins.fetch, frames=frames(settings))

    def judge(
        session: psycopg.Connection, group: str, asked: Sequence[Mapping[str, str]], letter: int
    ) -> tuple[str, str]:
        now = replace(sources, mask=Mask(reloading.settings.admin.mask))
        return judged(session, group, asked, letter, now)

    jobbing = Jobbing(PostgresValueSearches(shared.pool, settings.kafka.group, judge), lambda: None)
    jobbing.tell = tell

    def turn(timeout: float) -> None:
        # a turn of its own, so that no turn has the waits of both
        if not registry.look_again():
            jobbing.turn(timeout)

    return Side("value searches", turn, origins.close)


def recovering(reloading: Reloading, name: str, shared: Connections, offsets: Moments, tell: Tell) -> Side:
    """What takes comparisons and recoveries on. A turn may last, so its session is none of the pool's."""
    settings = reloading.settings

    def now() -> Settings:
        return reloading.settings

    compared = comparison(now, name, lambda: offsets)
    pool = TargetPool(session_settings(settings, name), shared.target, PoolLimits(size=1))
    leaving = threading.Event()
    turns = {**workflow_acts(now, compared, lambda: offsets), **undo_acts(now, name, leaving)}
    hours = settings.reconcile.every_hours

    def begin() -> int | None:
        if hours is None or not settings.source.dsn:
            return None
        return shared.pool.ask(lambda session: starting.compare_again(session, settings.kafka.group, hours))

    workflows = PostgresWorkflows(pool, settings.kafka.group, turns, shared.pool)
    working = Working(workflows, begin)
    working.tell = tell

    def cut() -> None:
        leaving.set()
        workflows.cut()
        compared.cut()

    def close() -> None:
        compared.close()
        pool.close()

    return Side("workflows", working.turn, close, cut)


def lookout_of(given: Given, offsets: LogEnds) -> Lookout:
    """Who looks at how far the group is."""
    settings = given.settings
    sources = LookoutSources(
        outlook=PostgresOutlook(given.shared.pool, given.group),
        workers=lambda: given.shared.pool.ask(lambda session: fleet.workers(session, given.group)),
        offsets=offsets,
        ages=KafkaAges(kafka_settings(settings)),
        lane=settings.lane.is_retry,
        heartbeats=settings.source.heartbeats,
    )
    return Lookout(sources, given.name, settings.telemetry.look_every)


def healer_of(given: Given, join_anew: Callable[[], None]) -> Healer:
    """Who puts right what the group has broken. `join_anew`: has our member join its group once more."""
    settings = given.settings
    overview, kafka = PostgresOverview(given.shared.pool, given.group), kafka_settings(settings)
    lane = KafkaOffsets(replace(kafka, topics=kafka.lane, ignore=()))
    abandoned = PostgresAbandoned(given.shared.pool, given.group)
    healer = Healer(abandoned, connect_client(settings), restart_budget(settings), given.name)
    healer.switches, healer.reads = given.steering.heard, ours_by(given.steering.reloading)
    healer.unread = Unread(lane, lambda: [stored.at for stored in overview.stored()], join_anew)
    return healer


def presence_of(given: Given, parts: Parts, look: Callable[[], None]) -> Presence:
    """Who tells of the worker, and hears what it is told. `look`: what is done when something was decided."""
    settings, steering = given.settings, given.steering
    quick = replace(session_settings(settings, given.name), synchronous_commit="off", trust_source=False)
    board = PostgresBoard(quick, given.group, version("headrace"), parts.breakers[0])
    telling = Telling(
        look=look,
        actions=parts.actions(board),
        learn=steering.heard.learn,
        keep_hours=settings.control.keep_hours,
        reloads=steering.reloading.heeded,
    )
    return Presence(board, lambda: parts.report(settings.control.report_every), telling)
