"""What a copy of a letter says of itself, as values; how headers carry it is the codec's matter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from consumer.core.failure_kind import ErrorType
from consumer.core.records import Header, RecordRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """A letter's origin, its failure and where it stands. Times are aware.

    `attempt`: how often its record has failed, from 1. `field`: the path of the field that is to blame, if one is.
    `due`: when it is tried again, None for a dead letter. `batch`: the number, in the ledger, of the one in which its
    record failed. `replay`: the number of the job that has sent it again, until that knows its end.

    `pointer`: the copy has key and headers only, the bytes lie at the origin. Without it an empty value is a tombstone.
    `keyless`: a pointer whose key lies there, too, if it has one.
    """

    group: str
    origin: RecordRef
    attempt: int
    kind: str
    error_type: ErrorType
    component: str
    operation: str
    detail: str
    first_failed: datetime
    failed: datetime
    field: str = ""
    due: datetime | None = None
    batch: int | None = None
    schema_id: int | None = None
    replay: str | None = None
    pointer: bool = False
    keyless: bool = False


class NoLetter(ValueError):
    """The headers are not those of a letter; the message names the first one that is missing or malformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """How a letterhead travels in headers.

    `encode` gives all headers of a copy from the letterhead and the record's own ones; `decode` raises NoLetter.
    """

    encode: Callable[[Letterhead, Sequence[Header]], list[Header]]
    decode: Callable[[Sequence[Header]], Letterhead]
