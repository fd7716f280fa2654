"""What of a block becomes letters: records that can't be applied, and those that wait behind them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import polars as pl

from consumer.core.binding import Binding
from consumer.core.failure import Failure, failed
from consumer.core.fold import SEQ
from consumer.core.kinds import KINDS
from consumer.core.lettering import letter
from consumer.core.letters import BEHIND, KEEPING, Change, Letter, Settled, State, settled
from consumer.core.plan import Aside
from consumer.core.policy import Policy
from consumer.core.writes import Action
from consumer.planning.block_decoder import BlockDecoder
from consumer.planning.blocks import Block, Decoded
from consumer.planning.chains import lacking_places
from consumer.planning.writes import BlockWrites

_WHAT = "#what"
NOTHING_SETTLED = Settled()
NO_ROWS: Mapping[int, int] = MappingProxyType({})


class Asides:
    """Makes letters of what the planner leaves out."""

    def __init__(self, blocks: BlockDecoder, writes: BlockWrites, policy: Policy) -> None:
        self._blocks = blocks
        self._writes = writes
        self._policy = policy

    def of(self, block: Block, decoded: Decoded) -> tuple[list[int], Aside, pl.DataFrame]:
        """The places of a block that become letters, these letters, and the identities that are known of bad ones."""
        binding = block.binding
        known = known_identities(self._blocks.identities(block, sorted(decoded.out)), decoded, binding)
        known = known.filter(~pl.col(SEQ).is_in(list(decoded.rowless)))
        waiting = {place for place, why in decoded.out.items() if why.kind == BEHIND}
        changes = _changes(known, decoded, binding)
        suspects = set(lacking_places(decoded).to_list()) & (decoded.out.keys() - waiting)
        marked = ((row, place, Change.SUSPECT if place in suspects else what) for row, place, what in changes)
        keeping = frozenset(place for place in waiting if decoded.out[place].operation == KEEPING)
        said = settled(marked, waiting=waiting, keeping=keeping, strict=binding.strict)
        gone = [*decoded.out, *said.held]
        every = pl.concat([known, *(frame.select(known.columns) for frame in (decoded.images, decoded.deletes))])
        placed = [place for place in gone if place not in decoded.rowless]
        rows = every.filter(pl.col(SEQ).is_in(placed)).unique(SEQ, keep="first").sort(SEQ)
        behind = failed(KINDS[BEHIND], "planner", "fold", KINDS[BEHIND].sign)
        failures = decoded.out | dict.fromkeys(said.held, behind)
        places = {place: row for row, place in enumerate(rows[SEQ])}
        aside = Aside(
            letters=self.letters(block, failures, said, places),
            table=binding.table.name if binding.table else None,
            identities=self._writes.write(Action.LOOK_UP, block, binding.identity, rows) if len(rows) else None,
        )
        return gone, aside, known

    def letters(
        self,
        block: Block,
        failures: Mapping[int, Failure],
        said: Settled = NOTHING_SETTLED,
        places: Mapping[int, int] = NO_ROWS,
    ) -> tuple[Letter, ...]:
        """The letters of records, by place. `places`: where the row of each stands among the identities."""
        return tuple(self._letter(block, place, failures[place], said, places.get(place)) for place in sorted(failures))

    def _letter(self, block: Block, place: int, failure: Failure, said: Settled, row: int | None) -> Letter:
        made = letter(block.record(place), failure, self._policy, row)
        waits = failure.kind == BEHIND
        if place in said.superseded:
            made = replace(made, state=State.SUPERSEDED)
        elif waits:
            made = replace(made, state=State.HELD)
        return replace(made, follows=True) if waits and place not in said.held else made


def known_identities(keys: pl.DataFrame, decoded: Decoded, binding: Binding) -> pl.DataFrame:
    """Identity and SEQ of what goes out, as the row images have them, else as the keys do."""
    out = list(decoded.out)
    columns = [*binding.identity, SEQ]
    types = decoded.images.select(columns).schema
    imaged = [frame.select(columns).filter(pl.col(SEQ).is_in(out)) for frame in (decoded.images, decoded.deletes)]
    told = keys.select([pl.col(name).cast(types[name], strict=False) for name in columns]).drop_nulls()
    return pl.concat([*imaged, told]).unique(SEQ, keep="first").sort(SEQ)


def _changes(
    known: pl.DataFrame, decoded: Decoded, binding: Binding
) -> Iterator[tuple[tuple[object, ...], int, Change]]:
    """All changes of the rows that have letters, in order."""
    keys = list(binding.identity)
    lacking = lacking_places(decoded)
    images = decoded.images.select([*keys, SEQ]).with_columns(pl.col(SEQ).is_in(lacking.implode()).alias(_WHAT))
    deletes = decoded.deletes.select([*keys, SEQ]).with_columns(pl.lit(False).alias(_WHAT))
    others = pl.concat([images, deletes]).filter(~pl.col(SEQ).is_in(known[SEQ].to_list()))
    others = others.join(known.select(keys).unique(), on=keys, how="semi")
    both = pl.concat([others, known.with_columns(pl.lit(None, dtype=pl.Boolean).alias(_WHAT))]).sort(SEQ)
    kinds = {None: Change.LETTER, True: Change.PARTIAL, False: Change.WHOLE}
    for *row, place, what in both.iter_rows():
        yield tuple(row), place, kinds[what]
