"""A group with all that pages show, by the thousand: batches, decisions, jobs; and a letter whose record is kept."""

from contextlib import closing
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from consumer.core.jobs import JobKind
from consumer.core.plans import RECONCILE
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.ports.desk import Note
from dlq.filter import condition
from dlq.jobs import Order, create
from dlq.preview import Rules, preview
from dlq.selection import Selection
from dlq.value_search import Wanted
from dlq.value_search import create as search
from tests.scale.index import GROUP, NOW
from tests.unit.avro import Writer, envelope, event, key

REGISTRY = "http://127.0.0.1:1/scale"
"""Which is away; its answers are kept."""
TOPICS = tuple(f"shop.public.t{number}" for number in range(40))
_FIELDS = [{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}]
_SAID = Note("ada@here", "the column is wide enough now")
_BATCHES = """
INSERT INTO headrace.batches
    (group_name, worker, state, ranges, tables, records, error, started_at, finished_at, durations)
SELECT %(group)s, 'worker-1', CASE WHEN n %% 100 = 0 THEN 'failed' ELSE 'applied' END,
    jsonb_build_array(jsonb_build_array('shop.public.t' || n %% 40, 0, n * 100, n * 100 + 100, 1)),
    CASE WHEN n %% 100 = 0 THEN '{}' ELSE jsonb_build_object('public.t' || n %% 40, '{"upsert": 100}'::jsonb) END, 100,
    CASE WHEN n %% 100 = 0
        THEN '{"kind": "table.approval", "detail": "refused", "remedy": "Look.", "code": "42703"}'::jsonb END,
    %(now)s - make_interval(secs => 200000 - n), %(now)s - make_interval(secs => 200000 - n), '{"apply": 0.1}'
FROM generate_series(1, %(count)s) AS n
"""
_AUDIT = """
INSERT INTO headrace.audit (group_name, actor, action, reason, letters, happened_at)
SELECT %(group)s, 'person ' || n %% 50, (ARRAY['view payload', 'replay letters', 'edit letter'])[1 + n %% 3],
    'ticket ' || n, ARRAY[n::bigint], %(now)s - make_interval(secs => 200000 - n)
FROM generate_series(1, %(count)s) AS n
"""
_POSITIONS = """
INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch)
SELECT %(group)s, topic, 0, 0, 1 FROM unnest(%(topics)s::text[]) AS topic
"""
_TABLES = """
INSERT INTO headrace.target_tables (group_name, table_name, topic)
SELECT %(group)s, regexp_replace(topic, '^shop[.]', ''), topic FROM unnest(%(topics)s::text[]) AS topic
"""
_LETTER = """
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy, code, field,
    table_name, digest_a, digest_b, first_failed_at, failed_at
) VALUES (%(group)s, 'shop.public.orders', 0, 1, 'dead', 'record.checks', 'persistent', 'planner', 'check', 'refused',
    'Correct it.', '', 'after.word', 'public.orders', 1, 1, %(now)s, %(now)s)
RETURNING id
"""


def filled(session: psycopg.Connection, dsn: str) -> dict[str, int]:
    """Fill the rest; returns by name the ids that paths need."""
    known: dict[str, Any] = {"group": GROUP, "now": NOW, "topics": [*TOPICS, "shop.public.orders"]}
    session.execute("CREATE TABLE IF NOT EXISTS public.orders (id bigint PRIMARY KEY, word text)")
    for statement, count in ((_BATCHES, 100_000), (_AUDIT, 100_000), (_POSITIONS, 0), (_TABLES, 0)):
        session.execute(statement.encode(), {**known, "count": count})
    letter = _letter(session, known)
    job = _job(session, Selection(kinds=("record.null",), states=("dead",)))
    wanted = Wanted(
        selection=Selection(kinds=("record.check",)),
        conditions=(condition("after.word = x"),),
        said=_SAID,
        most=100_000,
    )
    found = search(session, GROUP, wanted)
    ((batch,),) = session.execute("SELECT max(id) FROM headrace.batches WHERE state = 'failed'").fetchall()
    session.execute("VACUUM ANALYZE")
    assert found is not None
    return {"letter": letter, "job": job, "search": found, "batch": batch, "comparison": _comparison(session, dsn)}


def _letter(session: psycopg.Connection, known: dict[str, Any]) -> int:
    ((letter,),) = session.execute(_LETTER.encode(), known).fetchall()
    keys, values = Writer(key(_FIELDS[:1])), Writer(envelope(_FIELDS))
    for number, schema in ((1, keys.text), (2, values.text)):
        session.execute("INSERT INTO headrace.schemas VALUES (%s, %s, %s)", (REGISTRY, number, schema))
    framed = (keys.framed(1, {"id": 1}), values.framed(2, event("c", None, {"id": 1, "word": "w"})))
    session.execute("INSERT INTO headrace.letter_bytes (letter_id, key, value) VALUES (%s, %s, %s)", (letter, *framed))
    return int(letter)


def _job(session: psycopg.Connection, selection: Selection) -> int:
    rules = Rules(kind=JobKind.REPLAY)
    goes = preview(session, GROUP, selection, rules).goes
    order = Order(selection=selection, rules=rules, expect=goes, said=_SAID)
    return create(session, GROUP, order)


def _comparison(session: psycopg.Connection, dsn: str) -> int:
    with closing(PostgresRecoveries(SessionSettings(dsn=dsn, worker="scale"), GROUP)) as desk:
        number = desk.start(RECONCILE, {"tables": ["public.orders"]}, _SAID)
    insert = """
    INSERT INTO headrace.differing_keys (workflow_id, step, key, verdict)
    SELECT %s, 1, ARRAY[n::text], 'missing' FROM generate_series(1, 10000) AS n
    """
    session.execute(insert, (number,))
    session.execute(
        "UPDATE headrace.workflow_steps SET progress = %s WHERE workflow_id = %s",
        (Jsonb({"source": "public.orders", "key": ["id"], "rows": 10_000}), number),
    )
    return number
