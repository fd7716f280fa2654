"""What looks at its rows one by one is not kept from it by how many sets of columns they have."""

from dataclasses import replace

import psycopg
import pytest

from consumer.core.records import RecordRef
from consumer.core.search import Ending, Look, Seen, next_stretch
from consumer.core.target import TableName
from consumer.core.undo import Effect, UndoRow
from consumer.core.writes import TableWrite
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.staging import MOST_AT_ONCE
from consumer.edges.postgres.undone import Undone
from tests.pg.conftest import Pools
from tests.pg.landing import ID, Landing
from tests.pg.unplaced import FIELDS, OTHER, PARTIAL, WHOLE, Scene

SETS = MOST_AT_ONCE + 1
COLUMN = "c"


def with_columns_of_their_own(write: TableWrite) -> list[TableWrite]:
    """The same write of a key and another column, each with another name of that."""
    key, other = write.columns
    return [replace(write, columns=(key, replace(other, name=f"{COLUMN}{number}"))) for number in range(SETS)]


@pytest.fixture
def landing(session: psycopg.Connection, sink: PostgresSink, schema: str) -> Landing:
    """Very many tables, each with another column beside its key, and a topic of the first one."""
    for number in range(SETS):
        columns = f"id bigint PRIMARY KEY, {COLUMN}{number} text"
        session.execute(f"CREATE TABLE {schema}.t{number} ({columns})".encode())
    fields = [ID, {"name": f"{COLUMN}0", "type": ["null", "string"], "default": None}]
    return Landing(sink, TableName(schema, "t0"), fields)


def test_a_batch_is_taken_back(session: psycopg.Connection, landing: Landing, group: str) -> None:
    """Its rows are written and compared, and nothing of the tables for it stays in the session."""
    (write,) = landing.plan(("c", {"id": 1, f"{COLUMN}0": "was"})).writes
    writes = [
        replace(each, table=TableName(landing.table.schema, f"t{number}"))
        for number, each in enumerate(with_columns_of_their_own(write))
    ]
    last = RecordRef(landing.at, landing.next_offset)
    known = {last: UndoRow(last=last, first=last.offset, effect=Effect.RESTORE)}
    undone = Undone(session, group, known)
    with session.transaction():
        undone.write(writes)
        undone.compare(writes)

    assert undone.rows == {last: replace(known[last], key={"id": "1"})}
    query = "SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'"
    assert session.execute(query).fetchone() == (0,)


@pytest.fixture
def scene(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Scene:
    """A table, and a letter that will be searched for."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text, amount int)")
    sink.seed({})
    found = Scene(session, sink, pools(), group, Landing(sink, TableName(schema, "t"), FIELDS))
    found.unknown()
    found.apply(OTHER)
    found.learn()
    found.replay()
    return found


@pytest.mark.parametrize(("last", "ending"), [(WHOLE, Ending.SUPERSEDED), (PARTIAL, Ending.REFUSED)])
def test_a_letter_is_searched_for(scene: Scene, last: tuple[str, dict[str, object]], ending: Ending) -> None:
    """By all of them: its row is changed by the last one alone."""
    stretch = next_stretch(scene.searches.claim(100, 0))
    (partial,) = scene.landing.plan((PARTIAL[0], {**PARTIAL[1], "id": 2})).writes
    (found,) = scene.landing.plan(last).writes
    looks = [Look(write) for write in [*with_columns_of_their_own(partial), found]]
    endings = scene.searches.note(stretch, Seen(upto=stretch.end, looks=tuple(looks)))

    assert list(endings.values()) == [ending]
