"""A table of words whose records become letters, and a registry that knows their schemas."""

from collections.abc import Callable

import psycopg

from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.records import RecordRef
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from dlq.payload import Sources
from tests.pg.landing import ID, Landing
from tests.unit.avro import Writer, envelope, key
from tests.unit.world import World

FIELDS = [ID, {"name": "word", "type": ["null", "string"], "default": None}]
VALUES = Writer(envelope(FIELDS)).text
KEYS = Writer(key([ID])).text
CANARY = "canary-4417"
REFUSED = failed(KINDS["record.check"], "test", "upsert", "refused")
CUT = failed(KINDS["record.decode"], "test", "decode", "cut")
REGISTRY = World(schemas={1: KEYS, 2: VALUES}, table=lambda name: None)
# nothing of a letter that only points is there
SOURCES = Sources(registry=REGISTRY, fetch=lambda ref, known: None)
# under a name of its own: schemas of the other one may be kept
AWAY = World(schemas={}, table=lambda name: None, address="away")
WORD = [{"op": "replace", "path": "/after/word", "value": "good"}]
Bad = Callable[..., int]


def last(session: psycopg.Connection, group: str) -> int:
    """The newest letter."""
    row = session.execute("SELECT max(id) FROM headrace.letters WHERE group_name = %s", (group,)).fetchone()
    assert row is not None
    return int(row[0])


def behind(session: psycopg.Connection, letter: int) -> int:
    """A change of a letter's row that came right behind it and waits for it; returns its id."""
    shared = """group_name, topic, partition, kind, error_type, component, operation, detail, remedy, table_name,
        digest_a, digest_b"""
    query = f"""
        INSERT INTO headrace.letters (state, "offset", {shared})
        SELECT 'held', "offset" + 1000, {shared} FROM headrace.letters WHERE id = %s RETURNING id
    """
    ((number,),) = session.execute(query.encode(), (letter,)).fetchall()
    return int(number)


def letters_of(session: psycopg.Connection, sink: PostgresSink, table: TableName, group: str) -> Bad:
    """Makes a dead letter of a change (`x`: of one that is cut); returns its id."""
    sink.seed({})
    landing = Landing(sink, table, FIELDS)

    def make(op: str = "c", word: str | None = CANARY, number: int = 1) -> int:
        ref = RecordRef(landing.at, landing.next_offset)
        why = {ref: CUT if op == "x" else REFUSED}
        sink.apply(landing.plan((op, {"id": number, "word": word}), refused=why))
        landing.next_offset += 1
        return last(session, group)

    return make
