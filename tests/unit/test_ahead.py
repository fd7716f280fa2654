"""A registry that is slow, or away: who needs nothing of it does not wait for it."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from consumer.applying.planning import Instead, planned
from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.failure import Failure, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.plan import Plan
from consumer.core.records import TopicPartition
from consumer.core.runs import runs
from consumer.core.target import TableName
from consumer.ports.bindings import Fetch
from consumer.ports.refusals import TableFault
from consumer.ports.topics import Traits
from consumer.reading.ahead import Ahead
from consumer.reading.handover import Later, Work
from tests.unit.known import Topic, planner, slice_of
from tests.unit.world import World

WELL, SLOW = TopicPartition("well", 0), TopicPartition("slow", 0)
ALSO_SLOW = TopicPartition("slow", 1)
FIELDS = [{"name": "id", "type": "int"}]
TOPICS = {at.topic: Topic(FIELDS, value_id=number) for at, number in ((WELL, 2), (SLOW, 9))}
SECONDS = 20.0
NO_GRANT = failed(KINDS["table.privilege"], "postgres", "recall schemas", "SQLSTATE 42501: InsufficientPrivilege")


class Registry(World):
    """Answers for schema 9 when it is let go; then as the test says."""

    def __init__(self) -> None:
        texts = {1: TOPICS["well"].keys.text, 2: TOPICS["well"].values.text, 9: TOPICS["slow"].values.text}
        super().__init__(texts, lambda name: None, {name: Traits(compacted=False, partitions=2) for name in TOPICS})
        self.go = threading.Event()
        self.asked = threading.Event()
        self.away = False
        # what the target says when it is asked for schemas that were kept
        self.refusal: Failure | None = None

    def recall_schemas(self, registry: str, ids: Sequence[int] | None = None) -> dict[int, str]:
        """None is kept, if that is to be known."""
        if self.refusal is not None:
            raise TableFault(self.refusal, None)
        return super().recall_schemas(registry, ids)

    def schema(self, schema_id: int) -> str:
        """All others at once."""
        if schema_id == 9:
            self.asked.set()
            assert self.go.wait(SECONDS)
            if self.away:
                raise Transient(failed(KINDS["registry.status"], "registry", "get schema", "sick"))
        return super().schema(schema_id)

    def claim_table(self, name: TableName, topic: str) -> str:
        """Anyone may have it."""
        return topic


@pytest.fixture
def registry() -> Iterator[Registry]:
    """Let go at last."""
    registry = Registry()
    yield registry
    registry.go.set()


class Thread:
    """The apply thread: what it plans, or has to do instead."""

    def __init__(self, registry: Registry) -> None:
        self.known = KnownBindings()
        self.binder = registry.binder(self.known)
        self.ahead = Ahead(self.binder, patience=0.05)
        self._planner = planner(self.known)

    def work(self, fetch: Fetch | None, *places: TopicPartition) -> Plan | Sequence[object]:
        """Of one record of each."""
        records = {at: [TOPICS[at.topic].record("c", {"id": 1})] for at in places}
        work = Work(slices=tuple(slice_of(records[at], 0, at) for at in places))
        try:
            return planned(work, self._planner, self.binder, fetch or self.ahead.fetched)
        except Instead as instead:
            return instead.steps


def waiting(steps: Plan | Sequence[object]) -> list[tuple[TopicPartition, str]]:
    """Partitions that wait, and the kinds of failure that they wait for."""
    assert not isinstance(steps, Plan)
    return [(step.at, step.failure.kind) for step in steps if isinstance(step, Later) and step.failure]


def test_only_what_needs_a_schema_waits_for_a_slow_registry(registry: Registry) -> None:
    """Once for a moment, then not at all; when it has answered everything is planned."""
    thread = Thread(registry)
    # known before
    assert isinstance(thread.work(lambda wanted: {}, WELL), Plan)
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(thread.ahead.turn, SECONDS)
        steps = pool.submit(thread.work, None, WELL, SLOW).result(SECONDS)
        assert waiting(steps) == [(SLOW, "registry.away")]
        assert registry.asked.wait(SECONDS)
        assert isinstance(pool.submit(thread.work, None, WELL).result(SECONDS), Plan)
        # nobody waits for it a second time
        thread.ahead._patience = 10 * SECONDS
        for at in (SLOW, ALSO_SLOW):
            assert waiting(pool.submit(thread.work, None, at).result(SECONDS)) == [(at, "registry.away")]
        registry.go.set()
        asking.result(SECONDS)

        assert isinstance(pool.submit(thread.work, None, WELL, SLOW, ALSO_SLOW).result(SECONDS), Plan)


def test_a_sick_registry_is_asked_again_at_each_look(registry: Registry) -> None:
    """What it said stands in the log until it is well."""
    thread = Thread(registry)
    registry.away = True
    registry.go.set()
    with ThreadPoolExecutor(1) as pool:
        kinds = []
        for _ in range(2):
            turned = pool.submit(thread.ahead.turn, SECONDS)
            kinds.append(waiting(thread.work(None, SLOW)))
            turned.result(SECONDS)
        # the first look may have been too short for its answer
        assert [at for look in kinds for at, _ in look] == [SLOW, SLOW]
        assert kinds[1] == [(SLOW, "registry.status")]
        registry.away = False
        turned = pool.submit(thread.ahead.turn, SECONDS)
        thread.work(None, SLOW)
        turned.result(SECONDS)

    assert isinstance(thread.work(None, SLOW), Plan)


def test_what_the_target_refuses_to_tell_is_for_the_batch_that_needs_it(registry: Registry) -> None:
    """As schemas that were kept, without a grant: the thread goes on, whoever asks for them, and so does all else."""
    thread = Thread(registry)
    thread.ahead._patience = SECONDS
    registry.away, registry.refusal = True, NO_GRANT
    registry.go.set()
    run = runs(slice_of([TOPICS["slow"].record("c", {"id": 1})], 0, SLOW))[0]
    thread.ahead.want(BindingKey(SLOW.topic, run.key_frame, run.value_frame), run)
    thread.ahead.turn(0)
    assert thread.ahead.settled(0)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            turned = pool.submit(thread.ahead.turn, SECONDS)
            with pytest.raises(TableFault) as caught:
                thread.work(None, SLOW)
            assert caught.value.failure == NO_GRANT
            turned.result(SECONDS)
        assert isinstance(thread.work(lambda wanted: {}, WELL), Plan)
        # somebody has granted it
        registry.refusal = None
        turned = pool.submit(thread.ahead.turn, SECONDS)
        assert waiting(thread.work(None, SLOW)) == [(SLOW, "registry.status")]
        turned.result(SECONDS)


def test_a_refusal_that_comes_too_late_is_met_at_the_next_look(registry: Registry) -> None:
    """Until then the registry is taken to be slow."""
    thread = Thread(registry)
    registry.away, registry.refusal = True, NO_GRANT
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(thread.ahead.turn, SECONDS)
        assert waiting(thread.work(None, SLOW)) == [(SLOW, "registry.away")]
        registry.go.set()
        asking.result(SECONDS)
        thread.ahead._patience = SECONDS
        asking = pool.submit(thread.ahead.turn, SECONDS)
        with pytest.raises(TableFault):
            thread.work(None, SLOW)
        asking.result(SECONDS)
