"""What bad records cost: Headrace on copies of one topic, with and without bad records, in turns.

Nothing but the bad records differs: each case reads a copy and has a constraint on its table. A bad record is either
cut in the middle of its value, with key and frame as they were, or sound and refused by that constraint.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import fastavro
from psycopg import sql

from consumer.bench import campaign, engine, race, replay, target, topics, workload
from consumer.bench.cases import CASES, FLOOD, NAME, Case
from consumer.bench.contender import headrace, new_group
from consumer.bench.failures import late, unusable
from consumer.bench.replay import FRAME, Record, row_id
from consumer.bench.rig import Rig
from consumer.bench.scenario import SCENARIOS, Dataset
from consumer.bench.store import Result
from consumer.stack.waiting import wait_until

_PATIENCE = 120.0
_LANE = re.compile(r"bench-[0-9a-f]{8}\.(retry\.\d+|dlq)")
_Letters = dict[tuple[str, str, str], list[int]]


def measure(rig: Rig, size: int, runs: int, cases: Sequence[Case] = CASES) -> None:
    """The missing runs of the cases, in turns. Refuses sizes at which a case would have no bad record."""
    fewest = max(case.every for case in cases)
    if size < fewest:
        raise unusable(f"among {size} events there is not one of {fewest}", f"Ask for {fewest} or more.")
    dataset = SCENARIOS["fresh"].dataset(size)
    topics.ensure(rig, dataset)
    by_name = {case.name: case for case in cases}
    for case in cases:
        replay.ensure(rig, _topic(dataset, case), 1, dataset.events, partial(_records, rig, dataset, case))
        if case.open_letters:
            replay.ensure(rig, _others(dataset, case), 1, 1 + case.open_letters, partial(_bad, rig, dataset, case))
    ids = [row_id(record) for record in replay.records(rig, dataset.topics[0], dataset.events)]
    wanted = [
        race.Entry(scenario=NAME, size=size, contender=case.name, settings={**engine.overrides(), **case.variables})
        for case in cases
    ]
    for entry in campaign.turns(rig.store, wanted, runs):
        rig.say(campaign.told(_run(rig, entry, dataset, by_name[entry.contender], ids)))
    _forget_letters(rig)


def _run(rig: Rig, entry: race.Entry, dataset: Dataset, case: Case, ids: Sequence[int]) -> Result:
    """One run; `ids`: of the topic's rows, in its order."""
    group = new_group()
    _forget_letters(rig)
    target.reset(rig, dataset)
    if case.open_letters:
        _open_letters(rig, dataset, case, group)
        target.reset(rig, dataset)
    with rig.target() as connection:
        constraint = sql.SQL("ALTER TABLE {} ADD CHECK ({})")
        connection.execute(constraint.format(workload.name(dataset, dataset.tables[0]), workload.trusted(case.check)))
    return race.measured(
        rig,
        entry,
        dataset,
        lambda: headrace(rig, [_topic(dataset, case)], group, case.variables),
        lambda: target.same(rig, dataset, case.sound) and _letters(rig, group) == _expected(dataset, case, ids),
    )


# topics


def _topic(dataset: Dataset, case: Case) -> str:
    return f"bench-letters-{dataset.name}-{case.every}"


def _others(dataset: Dataset, case: Case) -> str:
    return f"bench-letters-{dataset.name}-others-{case.open_letters}"


def _records(rig: Rig, dataset: Dataset, case: Case) -> Iterator[Record]:
    """The dataset's records, of which some are cut."""
    for record in replay.records(rig, dataset.topics[0], dataset.events):
        yield _cut(record) if case.is_cut(row_id(record)) else record


def _cut(record: Record) -> Record:
    value = record.value or b""
    return Record(record.key, value[: len(value) // 2], record.headers)


def _bad(rig: Rig, dataset: Dataset, case: Case) -> Iterator[Record]:
    """Cut records of rows that the dataset does not have, behind a sound one, which says which table they are of."""
    (sound,) = replay.records(rig, dataset.topics[0], 1)
    yield sound
    for row in range(1, case.open_letters + 1):
        yield _cut(Record(_key((sound.key or b"")[:FRAME], -row), sound.value, sound.headers))


def _key(frame: bytes, row: int) -> bytes:
    # a record of one field is encoded as that field
    datum = io.BytesIO()
    fastavro.schemaless_writer(datum, "long", row)
    return frame + datum.getvalue()


# letters


def _open_letters(rig: Rig, dataset: Dataset, case: Case, group: str) -> None:
    """Has the group write letters of other rows of the table, and publish them."""
    with headrace(rig, [_others(dataset, case)], group, {FLOOD: "100"}) as running, rig.target() as connection:

        def published() -> bool:
            running.check()
            if connection.execute("SELECT to_regclass('headrace.letters') IS NULL").fetchone() == (True,):
                return False
            return connection.execute(_PUBLISHED, [group]).fetchone() == (case.open_letters,)

        if not wait_until(published, _PATIENCE, interval=0.2):
            raise late("open letters", f"letters were not published in {_PATIENCE:.0f} s", "Read the worker's log.")
    with rig.target() as connection:
        # letters that stay open for long have been seen by autovacuum
        connection.execute("VACUUM (ANALYZE) headrace.letters")
        # a table belongs to one topic of a group, and this one is done
        connection.execute("DELETE FROM headrace.target_tables WHERE group_name = %s", [group])


_PUBLISHED = """
SELECT count(*) FROM headrace.letters WHERE group_name = %s AND state = 'dead' AND published_attempt = attempt
"""


def _letters(rig: Rig, group: str) -> _Letters:
    """All letters of the group: offsets by topic, kind and state."""
    with rig.target() as connection:
        return {(topic, kind, state): offsets for topic, kind, state, offsets in connection.execute(_OFFSETS, [group])}


_OFFSETS = """
SELECT topic, kind, state, array_agg("offset" ORDER BY "offset") FROM headrace.letters
WHERE group_name = %s GROUP BY topic, kind, state
"""


def _expected(dataset: Dataset, case: Case, ids: Sequence[int]) -> Mapping[tuple[str, str, str], list[int]]:
    topic = _topic(dataset, case)
    rows = list(enumerate(ids))
    offsets = {
        (topic, "record.decode", "dead"): [offset for offset, row in rows if case.is_cut(row)],
        (topic, "record.check", "dead"): [offset for offset, row in rows if case.is_refused(row)],
        (_others(dataset, case), "record.decode", "dead"): list(range(1, case.open_letters + 1)),
    }
    return {which: found for which, found in offsets.items() if found}


def _forget_letters(rig: Rig) -> None:
    """Takes away what earlier groups have left, so that every run begins with the same tables and topics."""
    with rig.target() as connection:
        # the tables of a target that an older version has filled are made by the next run
        if connection.execute("SELECT to_regclass('headrace.letter_tallies') IS NOT NULL").fetchone() == (True,):
            connection.execute("TRUNCATE headrace.letters, headrace.letter_groups, headrace.letter_tallies CASCADE")
    topics.delete(rig, [name for name in topics.names(rig) if _LANE.fullmatch(name)])
