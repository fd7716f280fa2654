"""Arrays in PostgreSQL's binary form, held to the driver's own."""

import struct
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.numeric import Int4, Int8

from consumer.core.arrays import elements, packed

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
KINDS = {
    "int4": (pl.Int32, st.integers(-(2**31), 2**31 - 1), Int4),
    "int8": (pl.Int64, st.integers(-(2**63), 2**63 - 1), Int8),
    "float8": (pl.Float64, st.floats(allow_nan=False), float),
    "bool": (pl.Boolean, st.booleans(), bool),
    "text": (pl.String, TEXTS, str),
    "bytea": (pl.Binary, st.binary(max_size=5), bytes),
}


def driver_form(values: list[Any] | None, wrap: Any) -> bytes | None:
    """What psycopg sends for a list, with the flag of nulls set as we always do."""
    if values is None:
        return None
    wrapped = [None if value is None else wrap(value) for value in values]
    form = Transformer.from_context(None).get_dumper(wrapped, PyFormat.BINARY).dump(wrapped)
    assert form is not None
    return bytes(form)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_arrays_are_as_the_driver_sends_them(kind: str, data: st.DataObject) -> None:
    """Also parts of columns, empty lists, nulls in place of lists and in them."""
    dtype, values, wrap = KINDS[kind]
    lists = data.draw(st.lists(st.none() | st.lists(st.none() | values, max_size=4), max_size=5))
    start = data.draw(st.integers(0, len(lists)))
    series = pl.Series(lists, dtype=pl.List(dtype))[start:]
    found = packed(series, elements(series), kind).to_list()

    assert len(found) == len(lists) - start
    for ours, value in zip(found, lists[start:], strict=True):
        wanted = driver_form(value, wrap)
        if not value or all(item is None for item in value):
            # what the driver knows of no element's type
            assert (ours is None) == (value is None)
            assert ours is None or struct.unpack_from(">i", ours)[0] == bool(value)
        else:
            assert ours is not None
            assert wanted is not None
            assert ours[:4] + ours[8:] == wanted[:4] + wanted[8:]
            assert ours[4:8] == b"\0\0\0\1"
