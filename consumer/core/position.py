"""Where a change stands in the log of its source: one number that rises along the log, whichever partition has it.

PostgreSQL says it as `source.lsn`. MySQL and MariaDB name a file, whose number comes first, and a place in it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from consumer.core.avro import options
from consumer.core.rewriting import AS_TEXT

_LSN = {"source_lsn": "long"}
_BINLOG = {"source_file": "string", "source_pos": "long"}
# files are numbered with 31 bits, places in them with 32
_PLACES = 2**32
_FILES = 2**31
FIRST_READ = -(2**63)
"""What stands for the place of a snapshot's read, less the place."""


def position_fields(spelled: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The fields of a rewritten envelope, given by name, that say the position; none if it has no usable one."""
    for form in (_LSN, _BINLOG):
        if all(_is(word, spelled.get(name, {})) for name, word in form.items()):
            return tuple(form)
    return ()


def _is(word: str, field: Mapping[str, Any]) -> bool:
    return AS_TEXT not in field and options(field.get("type"))[0] == [word]


def positions(frame: pl.DataFrame, fields: Sequence[str]) -> pl.Series:
    """The position of each row by these fields, null where it has none.

    A snapshot's read has none: its own is that of the snapshot, while a transaction that was open then has changes at
    earlier places, which come later.
    """
    said = pl.col("source_lsn") if tuple(fields) == tuple(_LSN) else _in_binlog()
    return frame.select(pl.when(pl.col("op") != "r").then(said)).to_series()


def places_of_reads(frame: pl.DataFrame, fields: Sequence[str]) -> pl.Series:
    """The same, with the places of snapshots' reads as numbers below zero that rise with them: FIRST_READ + place.

    They are no versions, but tell whether a truncate is newer. That waits for whoever reads the table, so a read at an
    earlier place saw rows that it removed, and one at a later place saw none of them.
    """
    said = pl.col("source_lsn") if tuple(fields) == tuple(_LSN) else _in_binlog()
    return frame.select(pl.when(pl.col("op") == "r").then(said + FIRST_READ).otherwise(said)).to_series()


def _in_binlog() -> pl.Expr:
    place = pl.col("source_pos")
    number = pl.col("source_file").str.extract(r"\.([0-9]+)$").cast(pl.Int64, strict=False)
    return pl.when(place.is_between(0, _PLACES - 1) & (number < _FILES)).then(number * _PLACES + place)
