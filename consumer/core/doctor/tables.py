"""Tables: what becomes of a topic's newest record, planned as a worker would and then forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass

from consumer.core.doctor.finding import Area, Check, Finding
from consumer.core.failure import Failure
from consumer.core.losses import LEAVE_OUT, UNHEEDED
from consumer.core.wording import counted

FIT = Check(
    "target.tables",
    Area.TARGET,
    "the newest record of each topic, at most 50, as far as writing it: framing, registry, envelope, contract, checks, "
    "table, columns, index, privileges. Nothing is written",
    "fail: its table would stop; warn: it would become a letter, the table is changed first, or a setting of its "
    "columns is not heeded",
)
EXTENSIONS = Check(
    "target.extensions",
    Area.TARGET,
    "types of extensions that columns to be made want",
    "warn: the server lacks the type, and the column is made as the next best",
)
OF_TABLES = (FIT, EXTENSIONS)

_OF = {
    "hstore": "hstore",
    "ltree": "ltree",
    "citext": "citext",
    "geometry": "postgis",
    "geography": "postgis",
    "vector": "vector",
    "halfvec": "vector",
    "sparsevec": "vector",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A column that is to be made, the type that it should have, and the one that it gets."""

    column: str
    wanted: str
    gets: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What would become of a topic's newest record. `read`: there is one with a value.

    `failure`: why it would not be applied, and whether that stops its table (`stops`). `steps`: statements that come
    first. `unheeded`: columns whose `doubtful_nulls` has no effect.
    """

    topic: str
    read: bool = True
    table: str = ""
    failure: Failure | None = None
    stops: bool = False
    steps: Sequence[str] = ()
    lacking: Sequence[Lacking] = ()
    unheeded: Sequence[str] = ()


def tables(seen: Sequence[Fit]) -> list[Finding]:
    """Of the topics' records."""
    read = [one for one in seen if one.read]
    if not read:
        return [check.skipped("no topic has a record with a value") for check in OF_TABLES]
    empty = len(seen) - len(read)
    said = f"{counted(len(read), 'topic')} looked at{f', {empty} without a record yet' if empty else ''}"
    found = FIT.all_ok([line for one in read for line in _fit(one)], said)
    bad = [_extension(one, each) for one in read for each in one.lacking]
    return [*found, *EXTENSIONS.all_ok(bad, "none is missing")]


def _fit(one: Fit) -> list[Finding]:
    if one.failure is not None and one.stops:
        return [FIT.failed(one.failure, one.topic)]
    if one.failure is not None:
        detail = f"its newest record would become a letter: {one.failure.detail}"
        return [FIT.warn(detail, one.failure.remedy, one.topic)]
    idle = (
        [FIT.warn(f"{UNHEEDED} ({', '.join(one.unheeded)})", LEAVE_OUT, one.table or one.topic)] if one.unheeded else []
    )
    making = [_told(step) for step in one.steps if not step.startswith("CREATE TABLE")]
    if making:
        more = f" and {len(making) - 1} more" if len(making) > 1 else ""
        idle.append(FIT.warn(f"the table is changed first: {making[0]}{more}", "headrace schema plan says what waits.",
                             one.table or one.topic))  # fmt: skip
    return idle


def _told(step: str) -> str:
    """A statement for a report; the label of an enum is a row's value, and no part of one."""
    return "ALTER TYPE … ADD VALUE …" if step.startswith("ALTER TYPE") else step


def _extension(one: Fit, lacks: Lacking) -> Finding:
    extension = _OF.get(lacks.wanted.removesuffix("[]"), lacks.wanted)
    detail = f"column {lacks.column} is made as {lacks.gets}, since the server has no type {lacks.wanted}"
    remedy = f"CREATE EXTENSION {extension}, before the table is made."
    return EXTENSIONS.warn(detail, remedy, one.table or one.topic)
