"""`headrace doctor`: what is looked at, whom it is asked of, and by which rules it is judged."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from typing import Any

from consumer.binding.gates import key_misfit, value_misfit
from consumer.core.connectors import Connector
from consumer.core.doctor import access, cluster, connectors, group, registry, tables, target, topics
from consumer.core.doctor import settings as chosen
from consumer.core.doctor.finding import Finding, Report
from consumer.core.failure import Failure, Persistent, failed
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.inspection.examining import Look, Seen, examine
from consumer.ports.examining import (
    KafkaExaminer,
    Listening,
    Matched,
    Reach,
    RegistryExaminer,
    TargetExaminer,
    Trying,
)

# schemas that are asked for again, topics whose newest record is planned, and questions to the registry at a time
_SCHEMAS, _TOPICS, _AT_ONCE = 200, 50, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What settings say that matters here. Times in seconds. `letters`: names of the topics of letters."""

    servers: str
    client: Mapping[str, str]
    initial: str
    chosen: chosen.Chosen
    wants: target.Wants
    letters: Sequence[str]
    retention: float
    longest_delay: float
    registry_sites: Sequence[access.Site]
    connect_sites: Sequence[access.Site]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whom it asks. `connectors`: None where no Kafka Connect is set."""

    kafka: KafkaExaminer
    target: TargetExaminer
    registry: RegistryExaminer
    connectors: Callable[[], Sequence[Connector] | None]
    records: Trying
    machine: Listening


def doctor(plan: Plan, asked: Asked, within: float) -> Report:
    """One examination, that ends within so many seconds."""
    return examine(looks(plan, asked), within)


def looks(plan: Plan, asked: Asked) -> list[Look[Any]]:
    """All looks, those first that others need."""
    here = _here(plan, asked)
    server, control, known = _target(plan, asked)
    brokers, matched, sources, letters = _topics(plan, asked)
    reach = Look(
        name="logs", who="Kafka", checks=(cluster.CLOCK,), after=(sources,),
        ask=lambda seen: asked.kafka.reach(_partitions(seen.of(sources).topics)),
        judge=lambda found, _: cluster.clock(_ahead(found)),
    )  # fmt: skip
    return [
        *here,
        server,
        control,
        known,
        brokers,
        matched,
        sources,
        letters,
        reach,
        *_group(plan, asked, matched, sources, known),
        _fits(asked, control, reach),
        _registry(asked, matched, control),
        _connect(asked, matched),
    ]


def _here(plan: Plan, asked: Asked) -> list[Look[Any]]:
    def said(_: Seen) -> list[Finding]:
        return [
            *chosen.settings(plan.chosen),
            *access.brokers(plan.servers, plan.client),
            *access.site(access.REGISTRY, plan.registry_sites),
            *(access.site(access.CONNECT, plan.connect_sites) if plan.connect_sites else _no_connect()),
        ]

    return [
        Look(name="settings", who="this machine", checks=chosen.OF_SETTINGS, ask=said, judge=lambda found, _: found),
        Look(
            name="ports", who="this machine", checks=chosen.OF_PORTS,
            ask=lambda _: asked.machine.ports(), judge=lambda found, _: chosen.ports(found),
        ),
    ]  # fmt: skip


def _no_connect() -> list[Finding]:
    return [access.CONNECT.skipped("connect.url is not set")]


def _target(plan: Plan, asked: Asked) -> tuple[Look[target.Server], Look[target.Control], Look[group.Known]]:
    server = Look(
        name="server", who="the target", checks=target.OF_SERVER[:-1],
        ask=lambda _: asked.target.server(), judge=lambda found, _: target.server(found, plan.wants),
    )  # fmt: skip
    control = Look(
        name="control schema", who="the target", checks=target.OF_CONTROL, after=(server,),
        ask=lambda _: asked.target.control(), judge=lambda found, _: target.control(found),
    )  # fmt: skip
    known = Look(
        name="workers and positions", who="the target", checks=(target.ROOM,), after=(server, control),
        ask=lambda seen: asked.target.known(readable=seen.of(control).readable),
        judge=lambda found, _: target.room(found.room, plan.wants, len(found.workers)),
    )  # fmt: skip
    return server, control, known


def _topics(
    plan: Plan, asked: Asked
) -> tuple[Look[cluster.Cluster], Look[Matched], Look[topics.Sources], Look[topics.LetterTopics]]:
    brokers = Look(
        name="cluster", who="Kafka", checks=cluster.OF_CLUSTER, ask=lambda _: asked.kafka.cluster(),
        judge=lambda found, _: cluster.cluster(found, plan.chosen.new_groups),
    )  # fmt: skip
    matched = Look(
        name="topics", who="Kafka", checks=(topics.THERE,), after=(brokers,),
        ask=lambda _: asked.kafka.matched(), judge=lambda found, _: topics.there(found.by_entry, found.hidden),
    )  # fmt: skip
    sources = Look(
        name="topics described", who="Kafka", checks=topics.OF_TOPICS[1:], after=(brokers, matched),
        ask=lambda seen: topics.Sources(
            topics=asked.kafka.topics(seen.of(matched).topics), brokers=seen.of(brokers).brokers
        ),
        judge=lambda found, _: topics.sources(found),
    )  # fmt: skip
    letters = Look(
        name="letter topics", who="Kafka", checks=topics.OF_LETTERS, after=(brokers,), beside=(sources,),
        ask=lambda seen: _letter_topics(plan, asked, seen.of(brokers), seen.maybe(sources)),
        judge=lambda found, _: topics.letters(found),
    )  # fmt: skip
    return brokers, matched, sources, letters


def _letter_topics(
    plan: Plan, asked: Asked, brokers: cluster.Cluster, sources: topics.Sources | None
) -> topics.LetterTopics:
    sizes = [int(one.config.get("max.message.bytes", 0)) for one in (sources.topics if sources else ())]
    return topics.LetterTopics(
        wanted=plan.letters,
        topics=asked.kafka.topics(plan.letters),
        brokers=brokers.brokers,
        retention=plan.retention,
        longest_delay=plan.longest_delay,
        may_create=brokers.may_create,
        largest=max(sizes, default=None),
    )


def _group(
    plan: Plan, asked: Asked, matched: Look[Matched], sources: Look[topics.Sources], known: Look[group.Known]
) -> list[Look[Any]]:
    def logs(seen: Seen) -> group.Logs:
        places = seen.of(known).places
        there = asked.kafka.topics(sorted({place.at.topic for place in places}))
        reach = asked.kafka.reach([at for at in _partitions(there) if at in {place.at for place in places}])
        return group.Logs(
            known=frozenset(_partitions(there)),
            starts=reach.starts,
            ends=reach.ends,
            ids={one.name: one.id for one in there if one.id},
            stored_ids=asked.target.topic_ids() if places else {},
            lane=plan.letters,
        )

    return [
        Look(
            name="group", who="Kafka", checks=group.OF_GROUP, after=(sources,), beside=(known,),
            ask=lambda seen: asked.kafka.group(_partitions(seen.of(sources).topics)),
            judge=lambda found, seen: group.group(found, seen.maybe(known), plan.initial),
        ),
        Look(
            name="positions", who="Kafka", checks=group.OF_POSITIONS, after=(matched, known),
            ask=logs, judge=lambda found, seen: group.positions(seen.of(known).places, found),
        ),
    ]  # fmt: skip


def _fits(asked: Asked, control: Look[target.Control], reach: Look[Reach]) -> Look[Sequence[tables.Fit]]:
    def fits(seen: Seen) -> Sequence[tables.Fit]:
        if not seen.of(control).readable:
            return ()
        found = seen.of(reach)
        chosen = sorted({at.topic for at in found.ends})[:_TOPICS]
        return asked.records.fits(
            {at: (found.starts.get(at, 0), end) for at, end in found.ends.items() if at.topic in chosen}
        )

    return Look(
        name="newest records", who="one of Kafka, registry and target", checks=tables.OF_TABLES,
        after=(control, reach), ask=fits, judge=lambda found, _: tables.tables(found),
    )  # fmt: skip


def _registry(asked: Asked, matched: Look[Matched], control: Look[target.Control]) -> Look[registry.Registry]:
    def examined(seen: Seen) -> registry.Registry:
        topics_read, found = seen.maybe(matched), seen.maybe(control)
        names = topics_read.topics if topics_read else []
        return registry.Registry(
            subjects=asked.registry.subjects(),
            of_topics=subjects_of(asked.registry, names[: registry.MOST_TOPICS]),
            topics_left=max(0, len(names) - registry.MOST_TOPICS),
            **_in_use(asked, found is not None and found.readable),
        )

    return Look(
        name="registry", who="the registry", checks=registry.OF_REGISTRY, beside=(matched, control),
        ask=examined, judge=lambda found, _: registry.registry(found),
    )  # fmt: skip


def _in_use(asked: Asked, known: bool) -> dict[str, Any]:
    """Whether the schemas that were read by before can still be had."""
    if not known:
        return {}
    ids, unread = asked.target.schemas(asked.registry.name, _SCHEMAS), []
    for number in ids:
        try:
            asked.registry.find(number)
        except Persistent as error:
            unread.append((number, error.failure))
    return {"ids": len(ids), "unread": unread}


def subjects_of(asked: RegistryExaminer, topics_read: Sequence[str]) -> list[registry.Subject]:
    """Those of keys and values, some at a time. Raises HeadraceError."""
    wanted = [
        (f"{topic}-{part}", misfit)
        for topic in topics_read
        for part, misfit in (("key", key_misfit), ("value", value_misfit))
    ]
    # its threads hold up no process that ends
    with ThreadPool(_AT_ONCE) as asking:
        return asking.map(lambda each: _subject(asked, *each), wanted)


def _subject(asked: RegistryExaminer, name: str, misfit: Callable[[str], Failure | None]) -> registry.Subject:
    latest = asked.latest(name)
    if latest is None:
        return registry.Subject(name=name, there=False)
    unread = misfit(latest.schema) if latest.format == "AVRO" else _of_another_format(latest.format)
    return registry.Subject(name=name, there=True, compatibility=latest.compatibility, unread=unread)


def _of_another_format(form: str) -> Failure:
    return failed(KINDS["record.format"], "registry", "examine", f"expected an Avro schema, found {form}")


def _connect(asked: Asked, matched: Look[Matched]) -> Look[Sequence[Connector] | None]:
    def judged(found: Sequence[Connector] | None, seen: Seen) -> Sequence[Finding]:
        read = seen.maybe(matched)
        return connectors.connectors(found, read.topics if read else ())

    return Look(
        name="connectors", who="Kafka Connect", checks=connectors.OF_CONNECT, beside=(matched,),
        ask=lambda _: asked.connectors(), judge=judged,
    )  # fmt: skip


def _partitions(found: Sequence[topics.Topic]) -> list[TopicPartition]:
    return [TopicPartition(one.name, number) for one in found for number in range(one.partitions)]


def _ahead(found: Reach) -> float | None:
    """Seconds that the newest record of all lies ahead of now."""
    return max(found.newest.values()) - time.time() if found.newest else None
