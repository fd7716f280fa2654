"""A source that is altered while changes flow through Debezium, and a target that follows."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

import psycopg
import pytest

from consumer.stack.connectors import Capture, register_debezium, remove_debezium
from consumer.stack.options import Endpoints

from .feed import fresh_name
from .witness import Target, create_database
from .worker import Job, Workers, eventually

SOURCE = """
CREATE TYPE public.mood AS ENUM ('sad', 'glad');
CREATE TABLE public.followed (
    id int PRIMARY KEY, word text, size int, price numeric(6, 2), short varchar(5), mood public.mood,
    old text, gone text
);
"""
# what nobody wants of the target any more must not keep rows out
TARGET = SOURCE.replace("gone text", "gone text NOT NULL")
EVERYTHING = dict.fromkeys(("add", "widen", "relax", "label", "drop", "default"), "auto")
# ids from here on are of rows that stay as they were inserted
_KEPT = 1_000_000
PARTITIONS = [pytest.param(1, 1, id="one worker"), pytest.param(3, 2, id="two workers, three partitions")]

_MORE = b"UPDATE public.followed SET word = 'more' WHERE id %% 7 = %s AND id < %s"


class Shop:
    """The source's table: rows come, change and go all the time, whatever its columns are."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._numbers = count(1)
        self._stop = threading.Event()
        self.do(SOURCE)

    def do(self, statement: str) -> None:
        """One statement, or several."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Its rows."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def columns(self) -> list[str]:
        """The table's columns and their types."""
        return columns_of(self.ask)

    def rows(self) -> list[tuple[object, ...]]:
        """All of them, as text."""
        return texts_of(self.ask, self.columns())

    def insert(self, columns: str, values: str, first: int = 0) -> int:
        """A row; its id is above `first`."""
        number = first + next(self._numbers)
        self.do(f"INSERT INTO public.followed (id, {columns}) VALUES ({number}, {values})")
        return number

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While other things happen, rows are written; those that are kept stay as they are."""
        thread = threading.Thread(target=self._write)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _write(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while not self._stop.wait(0.01):
                number = next(self._numbers)
                # a statement may meet a table that is being altered
                with suppress(psycopg.Error):
                    connection.execute(b"INSERT INTO public.followed (id, word) VALUES (%s, 'flow')", (number,))
                    connection.execute(_MORE, (number % 7, _KEPT))
                    connection.execute(b"DELETE FROM public.followed WHERE word = 'more' AND id < %s", (number - 40,))


def columns_of(ask: Callable[[str], list[tuple[object, ...]]]) -> list[str]:
    """Names and types of the table's columns."""
    query = """
        SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = 'public.followed'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname
    """
    return [str(row[0]) for row in ask(query)]


def texts_of(ask: Callable[[str], list[tuple[object, ...]]], columns: list[str]) -> list[tuple[object, ...]]:
    """The rows as text, in order."""
    names = ", ".join(f'"{column.split(" ")[0]}"::text' for column in columns)
    return ask(f"SELECT {names} FROM public.followed ORDER BY id")


@pytest.fixture
def shop(at: Endpoints) -> Shop:
    """The source."""
    return Shop(create_database(at.source_dsn, fresh_name("shop")))


@contextmanager
def captured(at: Endpoints, shop: Shop, partitions: int) -> Iterator[str]:
    """A connector of the source's table; gives the topic."""
    name = fresh_name("follows")
    extra = {"topic.creation.default.partitions": str(partitions), "column.propagate.source.type": ".*"}
    capture = Capture(topic_prefix=name, tables=("public.followed",), extra=extra)
    register_debezium(at.connect_url, shop.dsn, name, capture)
    try:
        yield f"{name}.public.followed"
    finally:
        remove_debezium(at.connect_url, shop.dsn, name)


@pytest.mark.parametrize(("partitions", "many"), PARTITIONS)
def test_the_target_follows_what_is_altered_while_changes_flow(
    at: Endpoints, target: Target, workers: Workers, shop: Shop, partitions: int, many: int
) -> None:
    """Each kind of change, and the tables are equal afterwards: rows, and with one partition columns and types too."""
    target.do(TARGET)
    for _ in range(20):
        shop.insert("word, size, price, short, mood, old, gone", "'w', 1, 1.50, 'abc', 'sad', 'o', 'g'")
    with captured(at, shop, partitions) as topic:
        tables = {"public.followed": {"evolution": {"renamed": {"old": "new"}}}}
        group = fresh_name("follows")
        job = Job(
            at=at, dsn=target.dsn, group=group, topics=(topic,), evolution=EVERYTHING, tables=tables, level="info"
        )
        running = [workers.run(job) for _ in range(many)]
        eventually(lambda: len(target.ask("SELECT id FROM public.followed")) >= 20, "the snapshot is there")
        with shop.busy():
            steps = (
                ("ALTER TABLE public.followed ADD COLUMN added int DEFAULT 5", "added", "7"),
                ("ALTER TABLE public.followed ALTER size TYPE bigint", "size", str(1 << 40)),
                ("ALTER TABLE public.followed ALTER price TYPE numeric(9, 4)", "price", "12345.6789"),
                ("ALTER TABLE public.followed ALTER short TYPE varchar(20)", "short", "'longer than five'"),
                ("ALTER TABLE public.followed RENAME old TO new", "new", "'renamed'"),
                ("ALTER TABLE public.followed DROP COLUMN gone", "word", "'without'"),
                ("ALTER TYPE public.mood ADD VALUE 'so-so' AFTER 'sad'", "mood", "'so-so'"),
            )
            for statement, column, value in steps:
                shop.do(statement)
                number = shop.insert(column, value, _KEPT)
                eventually(
                    lambda number=number: target.ask("SELECT id FROM public.followed WHERE id = %s", number),
                    f"a row arrives after {statement}; stopped: {target.stopped(job.group)}",
                )
        eventually(lambda: texts_of(target.ask, shop.columns()) == shop.rows(), "the tables are equal")
        assert target.ask("SELECT count(*) FROM headrace.letters WHERE group_name = %s", job.group) == [(0,)]
        if partitions == 1:
            assert columns_of(target.ask) == shop.columns()
        assert [process.leave() for process in running] == [0] * many
    query = "SELECT change FROM headrace.schema_changes WHERE state = 'applied'"
    found = [row[0] for row in target.ask(query)]
    assert set(found) >= {"add", "widen", "rename", "drop", "label"}
