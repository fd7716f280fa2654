"""Key changes: Debezium writes a delete of the old key and a create of the new one, which may lack unchanged columns.

Both halves are of one event, so they say the same place in the source. The delete has the row's old columns kept in the
target, under a token of that place, and the create takes what it lacks from there.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import polars as pl

from consumer.core.avro import options
from consumer.core.envelope import SOURCE, Column, WriterSchema
from consumer.core.fold import SEQ
from consumer.core.rewriting import AS_TEXT

NEW_KEY = "__debezium.newkey"
"""The header of a delete whose row goes on under another key."""
OLD_KEY = "__debezium.oldkey"
"""The header of a create whose row was there under another key."""
BARE = "__headrace.newkey"
"""What becomes of the header of such a delete where it keeps nothing."""
TOKEN = "#token"
"""The column of a staged half that says which event it is from. No column can have such a name in Avro."""

_LARGE = frozenset({"string", "bytes", "array", "map", "record", "any"})
# one of these tells one row's change from others; without any no token is made
_PLACES = frozenset({"source_lsn", "source_change_lsn", "source_rs_id", "source_commit_scn"})
_BINLOG = "source_pos"
_WORDS = frozenset({"string", "long", "int", "boolean"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """`kept`: identity, TOKEN and SEQ of deletes whose rows go on under another key. `taken`: TOKEN and SEQ of creates
    that lack columns.
    """

    kept: pl.DataFrame
    taken: pl.DataFrame


def no_halves() -> Halves:
    """Of a block without key changes."""
    none = pl.DataFrame(schema={TOKEN: pl.String, SEQ: pl.Int64})
    return Halves(kept=none, taken=none)


def rest(halves: Halves, gone: pl.DataFrame, identity: Sequence[str], waiting: Collection[int]) -> Halves:
    """Those that are left when some records become letters (identity and SEQ); `waiting`: those of them that wait for
    letters of earlier batches.

    The table does not have what a letter in front would have changed, so nothing is kept of its row. Of a delete that
    is the first one itself, whatever refuses it, the row is as it should be kept.
    """
    if gone.is_empty():
        return halves
    kept = halves.kept
    if len(kept):
        first = gone.group_by(identity).agg(pl.col(SEQ).min().alias("#first"))
        kept = kept.join(first, on=list(identity), how="left", maintain_order="left")
        behind = (pl.col("#first") < pl.col(SEQ)).fill_null(False) | pl.col(SEQ).is_in(list(waiting))
        kept = kept.filter(behind.not_()).drop("#first")
    return Halves(kept=kept, taken=halves.taken.filter(~pl.col(SEQ).is_in(gone[SEQ].implode())))


def may_lack(columns: Sequence[Column], schema: WriterSchema, doubtful: Collection[str] = ()) -> tuple[str, ...]:
    """Those of the columns that a create may lack, whatever is `doubtful` among them. MySQL's log has whole rows."""
    if _BINLOG in schema.position:
        return ()
    return tuple(column.name for column in columns if column.avro in _LARGE or column.name in doubtful)


@lru_cache(maxsize=1024)
def token_fields(text: str) -> tuple[str, ...]:
    """The fields of a rewritten envelope (JSON text) that tell an event from all others; none if none do."""
    fields = [field for field in json.loads(text)["fields"] if field["name"].startswith(SOURCE)]
    found = tuple(field["name"] for field in fields if AS_TEXT not in field and _is_word(field["type"]))
    return found if _PLACES & set(found) else ()


def _is_word(kind: Any) -> bool:
    (word, *more), _ = options(kind)
    return not more and isinstance(word, str) and word in _WORDS


def token(source: Mapping[str, Any]) -> str | None:
    """The token of an event by its fields; None where they do not say its place."""
    if all(source.get(name) is None for name in _PLACES):
        return None
    return blake2b(json.dumps(source, sort_keys=True).encode(), digest_size=16).hexdigest()


def tokens(frame: pl.DataFrame, fields: Sequence[str]) -> pl.Series:
    """The tokens of a frame's events."""
    rows = frame.select(fields).iter_rows(named=True) if fields else iter([{}] * len(frame))
    return pl.Series(TOKEN, [token(row) for row in rows], dtype=pl.String)


def borders(
    kept: pl.DataFrame, taken: pl.DataFrame, images: pl.DataFrame, deletes: pl.DataFrame, identity: Sequence[str]
) -> set[int]:
    """The places in front of which runs are to be cut, so that halves of key changes may be applied with the others.

    What is kept is read from the table, so earlier images of the row must be written by then; what is taken is written
    last, so later changes of its row must follow.
    """
    keys = list(identity)
    at = pl.col(SEQ).alias("#at")
    earlier = kept.select(*keys, at).join(images.select(*keys, SEQ), on=keys).filter(pl.col(SEQ) < pl.col("#at"))
    changes = pl.concat([frame.select(*keys, SEQ) for frame in (images, deletes, taken)])
    later = taken.select(*keys, at).join(changes, on=keys).filter(pl.col(SEQ) > pl.col("#at"))
    return {*earlier["#at"], *later.group_by("#at").agg(pl.col(SEQ).min())[SEQ]}
