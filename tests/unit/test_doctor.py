"""What `headrace doctor` makes of facts: tables of facts and levels; and looks that fail, hang or break."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from consumer.core.connectors import Connector, Task
from consumer.core.doctor import access, cluster, connectors, group, registry, settings, tables, target, topics
from consumer.core.doctor.catalogue import CHECKS, TITLES
from consumer.core.doctor.finding import MOST, Area, Check, Finding, Level, Report, worst
from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.lag import Place
from consumer.core.letter_topics import misfits
from consumer.core.pausing import Paused, Subject
from consumer.core.records import TopicPartition
from consumer.inspection.doctor import subjects_of
from consumer.inspection.examining import Look, examine
from consumer.ports.examining import Latest

AT = TopicPartition("orders", 0)
AWAY = failed(KINDS["kafka.away"], "kafka", "ask", "nobody answers")
LEVELS = {level.value for level in Level}


def told(findings: Sequence[Finding]) -> dict[str, str]:
    """What is not ok or skipped, by check: the worst level of its lines."""
    found: dict[str, list[Level]] = {}
    for one in findings:
        assert one.level in (Level.OK, Level.SKIPPED) or one.remedy, f"{one.check} says not what to do"
        found.setdefault(one.check, []).append(one.level)
    return {name: worst(levels).value for name, levels in found.items() if worst(levels) is not Level.OK}


TLS = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}


@pytest.mark.parametrize(
    ("servers", "client", "wanted"),
    [
        ("127.0.0.1:9092,localhost:9093,[::1]:9094", {}, {}),
        ("kafka:9092", {}, {"kafka.security": "warn"}),
        ("127.0.0.1:9092,kafka:9092", {}, {"kafka.security": "warn"}),
        ("kafka:9092", {"security.protocol": "sasl_plaintext"}, {"kafka.security": "warn"}),
        ("kafka:9092", TLS, {}),
        ("kafka:9092", {**TLS, "enable.ssl.certificate.verification": "false"}, {"kafka.security": "warn"}),
        ("kafka:9092", {**TLS, "ssl.endpoint.identification.algorithm": "none"}, {"kafka.security": "warn"}),
    ],
)
def test_ways_to_brokers(servers: str, client: dict[str, str], wanted: dict[str, str]) -> None:
    """Unencrypted ones are for this machine alone; what is not checked is said."""
    assert told(access.brokers(servers, client)) == wanted


@pytest.mark.parametrize(
    ("url", "wanted"),
    [("https://registry", {}), ("http://127.0.0.1:8081", {}), ("http://registry", {"registry.security": "warn"})],
)
def test_ways_over_http(url: str, wanted: dict[str, str]) -> None:
    """Likewise."""
    assert told(access.site(access.REGISTRY, [access.Site(url=url, setting="registry.url")])) == wanted


CLUSTER = cluster.Cluster(brokers=1, controller=True, may_create=True, new_groups=True)


@pytest.mark.parametrize(
    ("seen", "new_groups", "wanted"),
    [
        (CLUSTER, True, {}),
        (replace(CLUSTER, controller=False), False, {"kafka.reachable": "warn"}),
        (replace(CLUSTER, new_groups=False), False, {}),
        (replace(CLUSTER, new_groups=False), True, {"kafka.version": "fail"}),
        (replace(CLUSTER, new_groups=None), True, {}),
    ],
)
def test_clusters(seen: cluster.Cluster, new_groups: bool, wanted: dict[str, str]) -> None:
    """What brokers do not tell is not held against them."""
    assert told(cluster.cluster(seen, new_groups)) == wanted


@pytest.mark.parametrize(("ahead", "wanted"), [(None, {}), (-900.0, {}), (1.0, {}), (30.0, {"kafka.clock": "warn"})])
def test_times_of_records(ahead: float | None, wanted: dict[str, str]) -> None:
    """Old records say nothing of clocks; those of the future do."""
    assert told(cluster.clock(ahead)) == wanted


WEEK = {"retention.ms": "604800000", "cleanup.policy": "delete", "max.message.bytes": "1048588"}
ALL = frozenset({"READ", "WRITE", "DESCRIBE"})
TOPIC = topics.Topic(name="orders", partitions=3, id="x", replicas=3, in_sync=3, operations=ALL, config=WEEK)


@pytest.mark.parametrize(
    ("wanted_topics", "hidden", "wanted"),
    [
        ({"orders": ["orders"], "^o.*": ["orders"]}, (), {}),
        ({"orders": []}, (), {"topics.there": "fail"}),
        ({"^o.*": []}, (), {"topics.there": "warn"}),
        ({"orders": []}, ("orders",), {"topics.there": "fail"}),
    ],
)
def test_topics_that_are_wanted(
    wanted_topics: dict[str, list[str]], hidden: Sequence[str], wanted: dict[str, str]
) -> None:
    """An expression may come to match something yet."""
    assert told(topics.there(wanted_topics, hidden)) == wanted


@pytest.mark.parametrize(
    ("topic", "brokers", "wanted"),
    [
        (TOPIC, 3, {}),
        (replace(TOPIC, operations=None, config={}), 3, {}),
        (replace(TOPIC, operations=frozenset({"DESCRIBE"})), 3, {"topics.readable": "fail"}),
        (replace(TOPIC, leaderless=(1,)), 3, {"topics.led": "fail"}),
        (replace(TOPIC, config={**WEEK, "retention.ms": "3600000"}), 3, {"topics.kept": "warn"}),
        (replace(TOPIC, config={**WEEK, "retention.ms": "-1"}), 3, {}),
        (replace(TOPIC, config={**WEEK, "retention.bytes": "1000"}), 3, {"topics.kept": "warn"}),
        (replace(TOPIC, config={"cleanup.policy": "compact", "retention.ms": "1000"}), 3, {}),
        (replace(TOPIC, replicas=1, in_sync=1), 3, {"topics.replicated": "warn"}),
        (replace(TOPIC, replicas=1, in_sync=1), 1, {}),
        (replace(TOPIC, in_sync=2), 3, {"topics.replicated": "warn"}),
        (replace(TOPIC, id=""), 3, {"topics.ids": "warn"}),
    ],
)
def test_topics_that_are_read(topic: topics.Topic, brokers: int, wanted: dict[str, str]) -> None:
    """What the cluster does not tell is not held against it."""
    assert told(topics.sources(topics.Sources(topics=[topic], brokers=brokers))) == wanted
    assert told(topics.sources(topics.Sources(topics=[], brokers=brokers))) == {}


DEAD = replace(TOPIC, name="shop.dlq", config={**WEEK, "min.insync.replicas": "2"})


@pytest.mark.parametrize(
    ("topic", "wanted"),
    [
        (DEAD, {}),
        (replace(DEAD, operations=frozenset({"READ", "DESCRIBE"})), {"letters.writable": "fail"}),
        (replace(DEAD, config={**WEEK, "min.insync.replicas": "4"}), {"letters.writable": "warn"}),
        (replace(DEAD, config={**WEEK, "min.insync.replicas": "4"}, in_sync=2), {"letters.writable": "fail"}),
        (replace(DEAD, in_sync=1), {"letters.writable": "fail"}),
        (replace(DEAD, config={**DEAD.config, "retention.ms": "60000"}), {"letters.kept": "fail"}),
        (replace(DEAD, config={**DEAD.config, "retention.ms": "86400000"}), {"letters.kept": "warn"}),
        (replace(DEAD, config={**DEAD.config, "cleanup.policy": "compact,delete"}), {"letters.kept": "fail"}),
        (replace(DEAD, config=WEEK), {"letters.replicated": "warn"}),
        (replace(DEAD, config=WEEK, replicas=1, in_sync=1), {"letters.replicated": "warn"}),
        (replace(DEAD, config={**DEAD.config, "max.message.bytes": "1000"}), {"letters.size": "warn"}),
    ],
)
def test_topics_of_letters(topic: topics.Topic, wanted: dict[str, str]) -> None:
    """They keep letters, and take them."""
    seen = topics.LetterTopics(
        wanted=["shop.dlq"], topics=[topic], brokers=3, retention=604_800, longest_delay=600, largest=1_048_588
    )
    assert told(topics.letters(seen)) == wanted


@pytest.mark.parametrize(("may", "wanted"), [(True, {}), (None, {}), (False, {"letters.there": "warn"})])
def test_topics_of_letters_that_are_not_there(may: bool | None, wanted: dict[str, str]) -> None:
    """They are made when they may be."""
    seen = topics.LetterTopics(wanted=["d"], topics=[], brokers=1, retention=1, longest_delay=1, may_create=may)
    assert told(topics.letters(seen)) == wanted


def test_settings_that_are_not_told_lose_no_letters() -> None:
    """As far as is known."""
    assert misfits(60, {}) == []
    assert [one.hours for one in misfits(7200, {"retention.ms": "3600000", "cleanup.policy": "compact"})] == [1.0, None]


GROUP = group.Group(name="shop", state="STABLE", members=["h1"], committed={AT: 5}, operations=ALL)
PLACE = Place(at=AT, position=5, held=True)
KNOWN = group.Known(workers=["w1"], places=[PLACE])


@pytest.mark.parametrize(
    ("seen", "known", "wanted"),
    [
        (GROUP, KNOWN, {}),
        (GROUP, None, {}),
        (replace(GROUP, operations=frozenset({"DESCRIBE"})), KNOWN, {"group.readable": "fail"}),
        (replace(GROUP, state="PREPARING_REBALANCING"), KNOWN, {"group.state": "warn"}),
        (replace(GROUP, members=["h1", "h2"]), KNOWN, {"group.members": "warn"}),
        (replace(GROUP, members=[]), KNOWN, {}),
        (replace(GROUP, committed={AT: 4}), KNOWN, {}),
        (replace(GROUP, committed={AT: 6}), KNOWN, {"group.committed": "warn"}),
        (GROUP, replace(KNOWN, places=[]), {"group.committed": "warn"}),
        (replace(GROUP, committed={}), replace(KNOWN, places=[]), {}),
    ],
)
def test_groups(seen: group.Group, known: group.Known | None, wanted: dict[str, str]) -> None:
    """Others in it, and offsets of others."""
    assert told(group.group(seen, known, "earliest")) == wanted


PAUSED = Paused(of=Subject(table="t"), actor="ada", reason="r", since=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("place", "logs", "wanted"),
    [
        (PLACE, group.Logs(starts={AT: 5}, ends={AT: 5}), {}),
        (PLACE, group.Logs(), {}),
        (PLACE, group.Logs(starts={AT: 6}, ends={AT: 9}), {"group.positions": "fail"}),
        (PLACE, group.Logs(starts={AT: 6}, lane=("orders",)), {}),
        (PLACE, group.Logs(starts={AT: 0}, ends={AT: 4}), {"group.positions": "fail"}),
        (PLACE, group.Logs(ids={"orders": "b"}, stored_ids={AT: "a"}), {"group.positions": "fail"}),
        (PLACE, group.Logs(ids={"orders": "b"}), {}),
        (replace(PLACE, stopped={"kind": "table.missing", "detail": "d", "remedy": "r"}), group.Logs(),
         {"group.going": "fail"}),
        (replace(PLACE, paused=PAUSED), group.Logs(), {"group.going": "warn"}),
        # before workers run nobody holds anything
        (replace(PLACE, held=False), group.Logs(), {}),
    ],
)  # fmt: skip
def test_positions(place: Place, logs: group.Logs, wanted: dict[str, str]) -> None:
    """Held against the logs."""
    assert told(group.positions([place], logs)) == wanted


SUBJECT = registry.Subject(name="orders-value", there=True, compatibility="BACKWARD")
REGISTRY = registry.Registry(subjects=3, of_topics=[SUBJECT], ids=2)


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (REGISTRY, {}),
        (replace(REGISTRY, ids=None), {}),
        (replace(REGISTRY, of_topics=[]), {}),
        (replace(REGISTRY, of_topics=[replace(SUBJECT, compatibility="NONE")]), {}),
        (replace(REGISTRY, unread=[(7, AWAY)]), {"registry.schemas": "fail"}),
        (replace(REGISTRY, of_topics=[replace(SUBJECT, there=False)]), {"registry.subjects": "warn"}),
        (replace(REGISTRY, of_topics=[replace(SUBJECT, unread=AWAY)]), {"registry.subjects": "fail"}),
    ],
)
def test_registries(seen: registry.Registry, wanted: dict[str, str]) -> None:
    """What records are read by is there."""
    assert told(registry.registry(seen)) == wanted


def test_topics_that_are_too_many_to_ask_for_are_told() -> None:
    """What was not looked at is not taken for right."""
    found = registry.registry(replace(REGISTRY, topics_left=7))
    assert [one.detail for one in found if one.level is Level.SKIPPED] == [
        f"7 topics more were not looked at: at most {registry.MOST_TOPICS} are"
    ]


class Subjects:
    """A registry in which keys have a schema of another format, and the last topic has nothing."""

    def latest(self, subject: str) -> Latest | None:
        """Of any subject but the last topic's."""
        return None if subject.startswith("t99") else Latest('"string"', "FULL", "JSON" if "key" in subject else "AVRO")


def test_subjects_of_all_topics_are_asked_for() -> None:
    """Some at a time; in their order."""
    asked: Any = Subjects()
    found = subjects_of(asked, [f"t{number}" for number in range(100)])
    assert [one.name for one in found] == [f"t{n}-{part}" for n in range(100) for part in ("key", "value")]
    assert [one.there for one in found] == [True] * 198 + [False] * 2
    assert all(one.unread is not None for one in found[:198:2])


RUNS = Connector(name="c", kind="source", state="RUNNING", tasks=(Task(id=0, state="RUNNING"),),
                 topics=frozenset({"orders"}))  # fmt: skip
FAILED = replace(RUNS, tasks=(Task(id=0, state="FAILED"),))


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (None, {}),
        ([RUNS], {}),
        ([FAILED], {"connect.connectors": "fail"}),
        ([replace(FAILED, topics=frozenset())], {"connect.connectors": "fail"}),
        ([replace(FAILED, topics=frozenset({"other"}))], {"connect.connectors": "warn"}),
        ([replace(FAILED, kind="sink")], {"connect.connectors": "warn"}),
        ([replace(RUNS, state="PAUSED")], {"connect.connectors": "warn"}),
    ],
)
def test_connectors(found: Sequence[Connector] | None, wanted: dict[str, str]) -> None:
    """Those of our topics weigh more."""
    assert told(connectors.connectors(found, ["orders"])) == wanted


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


@pytest.mark.parametrize(
    ("client", "wanted"),
    [
        ({}, {}),
        ({"max.poll.interval.ms": "120000"}, {"settings.poll": "warn"}),
        ({"session.timeout.ms": "6000"}, {"settings.session": "warn"}),
        ({"session.timeout.ms": "400000"}, {"settings.session": "warn"}),
        ({"group.protocol": "consumer", "session.timeout.ms": "6000"}, {}),
    ],
)
def test_times_of_settings(client: dict[str, str], wanted: dict[str, str]) -> None:
    """Against one another, with librdkafka's defaults."""
    assert told(settings.settings(settings.chosen(client, stall=120, registry=10))) == wanted


def test_a_registry_that_may_take_too_long() -> None:
    """It would end the worker."""
    assert told(settings.settings(settings.chosen({}, stall=120, registry=120))) == {"settings.answers": "warn"}


FREE = settings.Port(address="127.0.0.1:1", free=True)
TAKEN = settings.Port(address="127.0.0.1:1", free=False, why="Address already in use")


@pytest.mark.parametrize(
    ("telemetry", "admin", "wanted"),
    [
        (FREE, FREE, {}),
        (None, replace(TAKEN, ours=True), {}),
        (TAKEN, FREE, {"settings.telemetry_port": "warn"}),
        (FREE, TAKEN, {"settings.admin_port": "fail"}),
    ],
)
def test_ports(telemetry: settings.Port | None, admin: settings.Port, wanted: dict[str, str]) -> None:
    """Another program's are in the way."""
    assert told(settings.ports(settings.Ports(telemetry=telemetry, admin=admin))) == wanted


def test_a_check_has_so_many_lines_at_most() -> None:
    """The worst ones, and how many more there are."""
    check = topics.KEPT
    lines = [check.warn(str(n), "r") for n in range(30)] + [check.fail("worst", "r")]
    found = check.all_ok(lines, "fine")
    assert (len(found), found[0].detail, found[-1].detail) == (MOST + 1, "worst", "and 11 more")


def test_the_catalogue_has_each_check_once() -> None:
    """In the order of areas, and says what it asks and what is bad."""
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
    areas = [check.area for check in CHECKS]
    assert areas == sorted(areas, key=list(Area).index)
    assert set(areas) == set(Area) == set(TITLES)
    assert all(check.asks and check.bad for check in CHECKS)


FIRST, SECOND = CHECKS[0], CHECKS[1]


def look(name: str, ask: Any, check: Check = FIRST, after: Sequence[Look[Any]] = (), **more: Any) -> Look[Any]:
    """One that says what it was answered."""
    return Look(name=name, who=name, checks=(check,), ask=ask, judge=lambda facts, _: [check.ok(str(facts))],
                after=after, **more)  # fmt: skip


def summary(report: Report) -> list[tuple[str, str]]:
    """Levels and words."""
    return [(one.level.value, one.detail) for one in report.findings]


def test_what_fails_hides_no_other_and_skips_what_needs_it() -> None:
    """With who did not answer, through more than one look."""

    def away(_: object) -> None:
        raise Transient(AWAY)

    first = look("kafka", away)
    second = look("topics", lambda seen: seen.of(first), SECOND, after=(first,))
    third = look("group", lambda seen: seen.of(second), SECOND, after=(second,))
    other = look("registry", lambda seen: seen.maybe(first), SECOND, beside=(first,))
    report = examine([first, second, third, other], 5)
    assert summary(report) == [
        ("fail", "nobody answers"),
        ("skipped", "kafka did not answer"),
        ("skipped", "kafka did not answer"),
        ("ok", "None"),
    ]
    assert report.worst is Level.FAIL


def test_what_hangs_is_waited_for_no_longer_than_it_may_take() -> None:
    """The others are told."""
    end = threading.Event()
    hanging = look("kafka", lambda _: end.wait(20))
    behind = look("topics", lambda _: None, SECOND, after=(hanging,))
    began = time.monotonic()
    report = examine([hanging, behind, look("registry", lambda _: 7, SECOND)], 0.3)
    assert time.monotonic() - began < 5
    assert ("fail", "kafka did not answer within 0.3 s") in summary(report)
    assert ("ok", "7") in summary(report)
    end.set()


def test_who_only_waits_beside_another_has_half_of_the_time_left() -> None:
    """It is taken without those facts; and not waited with at all where others are missing that it needs."""
    end = threading.Event()
    hanging = look("kafka", lambda _: end.wait(20))

    def away(_: object) -> None:
        raise Transient(AWAY)

    gone = look("target", away)
    alone = look("registry", lambda seen: seen.maybe(hanging), SECOND, beside=(hanging,))
    answered = threading.Event()
    blocked = Look(
        name="group", who="group", checks=(SECOND,), after=(gone,), beside=(hanging,),
        ask=lambda _: answered.set(), judge=lambda _, __: [SECOND.ok("")],
    )  # fmt: skip
    report = examine([gone, hanging, alone, blocked], 2)
    end.set()
    assert summary(report) == [
        ("fail", "nobody answers"),
        ("fail", "kafka did not answer within 2 s"),
        ("ok", "None"),
        ("skipped", "target did not answer"),
    ]
    assert not answered.is_set()


def test_what_breaks_is_said_as_our_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not taken for a server's; the interpreter says where it was."""
    seen, heard = [], threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda said: (seen.append(said.exc_type), heard.set()))

    def broken(_: object) -> None:
        raise ValueError("a defect")

    report = examine([look("kafka", broken), look("registry", lambda _: 7, SECOND)], 5)
    assert [one.kind for one in report.findings] == ["worker.defect", ""]
    assert heard.wait(5)
    assert seen == [ValueError]
