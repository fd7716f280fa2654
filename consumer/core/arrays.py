"""Arrays in PostgreSQL's binary form, whole columns at a time.

One dimension: number of dimensions, whether nulls may be in it, the elements' type, their number, the first index; then
each element as its length and its bytes, a null as the length -1 alone.
"""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from consumer.core.instants import blanked

# pg_type.oid, which never change
_OIDS = {
    "bool": 16,
    "bytea": 17,
    "int8": 20,
    "int2": 21,
    "int4": 23,
    "text": 25,
    "float4": 700,
    "float8": 701,
    "date": 1082,
    "time": 1083,
    "timestamp": 1114,
    "timestamptz": 1184,
    "uuid": 2950,
}
_NUMBERS = {
    "bool": "?",
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "float4": ">f4",
    "float8": ">f8",
    "date": ">i4",
    "time": ">i8",
    "timestamp": ">i8",
    "timestamptz": ">i8",
}
_HEADER = np.dtype([(name, ">i4") for name in ("dimensions", "nulls", "type", "count", "first")])
_EMPTY = 12
_NULL = b"\xff\xff\xff\xff"
_NOTHING = pa.scalar(b"", pa.large_binary())


def elements(series: pl.Series) -> pl.Series:
    """The elements of all lists, one after the other."""
    return pl.Series(series.rechunk().to_arrow().flatten())


def packed(series: pl.Series, carried: pl.Series, staging: str) -> pl.Series:
    """The lists as arrays of a type, from the carried form of their elements."""
    lengths = series.list.len().fill_null(0).to_numpy()
    offsets = pa.array(np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64))))
    bodies = pc.binary_join(pa.LargeListArray.from_arrays(offsets, _measured(carried, staging)), _NOTHING)
    headers = np.zeros(len(series), _HEADER)
    headers["dimensions"] = lengths > 0
    headers["nulls"] = 1
    headers["type"] = _OIDS[staging]
    headers["count"] = lengths
    headers["first"] = 1
    whole = pc.if_else(
        pa.array(lengths > 0),
        _bytes(headers),
        pc.binary_slice(_bytes(headers), 0, _EMPTY),
    )
    return blanked(pl.Series(pc.binary_join_element_wise(whole, bodies, _NOTHING)), series)


def _measured(carried: pl.Series, staging: str) -> pa.Array:
    """Each element with its length in front."""
    form = _NUMBERS.get(staging)
    if form is not None:
        rows = np.zeros(len(carried), np.dtype([("length", ">i4"), ("value", form)]))
        rows["length"] = np.dtype(form).itemsize
        rows["value"] = carried.fill_null(False if staging == "bool" else 0).to_numpy()
        found = _bytes(rows)
    else:
        content = carried.cast(pl.Binary)
        lengths = content.bin.size().fill_null(0).to_numpy().astype(">i4")
        found = pc.binary_join_element_wise(_bytes(lengths), content.to_arrow(), _NOTHING, null_handling="replace")
    gone = carried.is_null()
    return pc.if_else(gone.to_arrow(), pa.scalar(_NULL, pa.large_binary()), found) if gone.any() else found


def _bytes(rows: np.ndarray) -> pa.Array:
    kind = pa.binary(rows.dtype.itemsize)
    return pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(rows)]).cast(pa.large_binary())
