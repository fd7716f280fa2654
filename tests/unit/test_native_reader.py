"""The contract of the pinned private module `polars_avro._avro_rs`, on which the columnar decoder stands.

Each question is asked in a child process with a deadline: what is held here is that the reader ends.
"""

import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.unit.test_decoders import ROOT

_SETUP = """
import io, json, sys
from contextlib import nullcontext
import fastavro, pyarrow as pa
from polars_avro._avro_rs import AvroSource
SCHEMA = {"type": "record", "name": "r", "fields": [
    {"name": "a", "type": "string"}, {"name": "b", "type": "long"},
    {"name": "_f", "type": {"type": "fixed", "name": "f", "size": 8}}]}
PARSED = fastavro.parse_schema(SCHEMA)
def datum(number):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, PARSED, {"a": "x" * number, "b": number, "_f": bytes(7) + bytes([number])})
    return stream.getvalue()
def long(value):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, "long", value)
    return stream.getvalue()
def container(count, body, schema=SCHEMA):
    sync, text = bytes(16), json.dumps(schema).encode()
    head = long(1) + long(11) + b"avro.schema" + long(len(text)) + text + long(0)
    return b"Obj\\x01" + head + sync + long(count) + long(len(body)) + body + sync
def read(count, body, columns=("b", "_f"), schema=SCHEMA):
    block = container(count, body, schema)
    batches = AvroSource([lambda: nullcontext(io.BytesIO(block))], False, False).batch_iter(count, list(columns))
    return pa.record_batch(next(batches))
sound = [datum(number) for number in range(5)]
"""


def asked(program: str) -> str:
    """What the program prints; a native hang fails the test by the deadline."""
    child = subprocess.run(
        [sys.executable, "-c", _SETUP + program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return child.stdout.strip()


@pytest.mark.parametrize(("package", "pinned"), [("polars-avro", "0.13.0"), ("polars", "2.1.0"), ("pgpq", "0.12.0")])
def test_the_version_is_the_one_that_was_examined(package: str, pinned: str) -> None:
    """Another version of a private module has to be examined anew, so this fails on purpose then."""
    assert version(package) == pinned


def test_one_next_gives_all_records_and_only_the_columns_asked_for() -> None:
    """A batch of exactly the record count, in the order asked for, without the columns in between."""
    program = 'batch = read(5, b"".join(sound)); print(batch.schema.names, batch["b"].to_pylist())'

    assert asked(program) == "['b', '_f'] [0, 1, 2, 3, 4]"


def test_a_surplus_byte_is_left_unread_by_the_first_next() -> None:
    """The reader stops after the records it was promised; the index column is sound, and nothing hangs."""
    program = 'batch = read(5, b"".join(sound) + b"x"); print(len(batch), [f[-1] for f in batch["_f"].to_pylist()])'

    assert asked(program) == "5 [0, 1, 2, 3, 4]"


def test_a_surplus_byte_between_records_shows_in_the_index() -> None:
    """Either the reader raises, or the index column differs: never both sound."""
    program = """
sound[2] += b"\\x00"
try:
    print([f[-1] for f in read(5, b"".join(sound))["_f"].to_pylist()] != [0, 1, 2, 3, 4])
except Exception as error:
    print(type(error).__name__ == "AvroError")
"""
    assert asked(program) == "True"


def test_a_short_record_raises() -> None:
    """The end of the block inside a record is an AvroError."""
    program = """
try:
    read(5, b"".join(sound)[:-3])
except Exception as error:
    print(type(error).__name__)
"""
    assert asked(program) == "AvroError"


def test_another_schema_never_passes_unseen() -> None:
    """Bytes of a record with one more field raise or disturb the index."""
    program = """
other = {**SCHEMA, "fields": [SCHEMA["fields"][0], {"name": "c", "type": "string"}, *SCHEMA["fields"][1:]]}
try:
    batch = read(5, b"".join(sound), schema=other)
    print([f[-1] for f in batch["_f"].to_pylist()] != [0, 1, 2, 3, 4])
except Exception as error:
    print(type(error).__name__ == "AvroError")
"""
    assert asked(program) == "True"


def test_fewer_records_than_promised_raise() -> None:
    """A count above what the block holds can't be answered with fewer rows."""
    program = """
try:
    print(len(read(6, b"".join(sound))) != 6)
except Exception as error:
    print(type(error).__name__ == "AvroError")
"""
    assert asked(program) == "True"


def test_an_unknown_union_index_is_not_noticed() -> None:
    """The weakness for which a second reader looks at the indexes: when this fails, it can go."""
    program = """
union = {"type": "record", "name": "r", "fields": [{"name": "b", "type": ["null", "long"]}]}
print(read(1, bytes([4, 6]), ("b",), union)["b"].to_pylist())
"""
    assert asked(program) == "[3]"
