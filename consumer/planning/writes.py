"""What a block writes: its folded rows, and halves of key changes, as columns in the form that COPY carries."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from consumer.core import instants
from consumer.core.binding import Binding, BoundColumn
from consumer.core.carriers import carried
from consumer.core.doubts import mark
from consumer.core.fold import SEQ, Folded, Partial
from consumer.core.forms import NotCarried, Unfit
from consumer.core.modes import DELETED_AT
from consumer.core.moves import BARE, NEW_KEY, TOKEN, Halves
from consumer.core.target import TargetColumn
from consumer.core.writes import Action, Origins, StagedColumn, TableWrite
from consumer.planning.blocks import Block, Decoded
from consumer.planning.rules import shaped
from consumer.ports.decoding import Encoder

_LAST = "#last"


class BlockWrites:
    """Encodes what is left of blocks."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def folded(self, folded: Folded, block: Block, decoded: Decoded, *, fresh: bool) -> list[TableWrite]:
        """The writes of folded rows; `fresh` as in `TableWrite`."""
        writes = []
        binding = block.binding
        names = [column.source.name for column in binding.columns]
        if len(folded.deletes):
            staged = [*binding.identity, *([binding.version] if binding.version else [])]
            deletes = folded.deletes
            if DELETED_AT in decoded.deletes.columns:
                times = _moments(decoded, list(binding.identity))
                deletes = deletes.join(times, on=list(binding.identity), how="left", maintain_order="left")
            for rows, moved in _by_spelling(deletes, block, decoded):
                writes.append(replace(self.write(Action.DELETE, block, staged, rows), moved=moved))
        action = Action.REPLACE if binding.replaces else Action.UPSERT
        for images, renewed in ((folded.upserts, ()), (folded.again, binding.renewed)):
            for rows, long in _by_sure_nulls(images, decoded.long) if images is not None and len(images) else ():
                frame, _ = shaped(rows, (), binding)
                upsert = replace(self.write(action, block, names, frame), fresh=fresh, renewed=renewed)
                writes.append(_unsure(_doubting(upsert, long, decoded, binding), long, frame, binding))
        for partial, doubted in _merged(folded.partials, decoded.judged, decoded.images):
            for rows, long in _by_sure_nulls(partial.frame, decoded.long - doubted):
                frame, missing = shaped(rows, partial.missing, binding)
                there = [name for name in names if name not in missing]
                update = self.write(Action.UPDATE, block, there, frame)
                writes.append(_doubting(update, doubted | long, decoded, binding))
        return writes

    def halves(self, halves: Halves, block: Block, decoded: Decoded) -> list[TableWrite]:
        """What is kept of rows that go on under another key, and the rows that take it."""
        writes = []
        binding = block.binding
        targets = {column.source.name: column.target for column in binding.columns}
        if len(halves.kept):
            keep = self.write(Action.KEEP, block, binding.identity, halves.kept)
            writes.append(_moving(keep, {name: targets[name] for name in binding.may_lack}))
        if len(halves.taken):
            taking = decoded.images[SEQ].is_in(halves.taken[SEQ].implode())
            masks = {name: mask.filter(taking) for name, mask in decoded.unavailable.items()}
            images = decoded.images.filter(taking).join(halves.taken, on=SEQ, how="left", maintain_order="left")
            for lacks, lacking in _by_lack(images, masks):
                for rows, doubted in _by_doubt(lacking, decoded.judged.intersection(lacks)):
                    frame, missing = shaped(rows, lacks, binding)
                    there = [name for name in targets if name not in missing]
                    take = self.write(Action.TAKE, block, there, frame.with_columns(rows[TOKEN]))
                    take = _moving(take, {name: targets[name] for name in targets if name in missing})
                    writes.append(_doubting(take, doubted, decoded, binding))
        return writes

    def write(
        self,
        action: Action,
        block: Block,
        names: Collection[str],
        frame: pl.DataFrame,
        beside: Sequence[tuple[pl.Series, StagedColumn]] = (),
    ) -> TableWrite:
        """One write of some columns of a frame, and of what stands `beside` them.

        Those of halves are staged with their tokens, deletes with their times where these matter.
        """
        binding = block.binding
        assert binding.table is not None
        by_name = {column.source.name: column for column in binding.columns}
        columns = [by_name[name] for name in names]
        series, staged = [], []
        for column in columns:
            form, how = _carried(frame[column.source.name], column)
            series.append(form.alias(column.target.name))
            staged.append(how)
        if action in (Action.KEEP, Action.TAKE):
            series.append(frame[TOKEN])
            staged.append(StagedColumn(name=TOKEN, staging="text"))
        if DELETED_AT in frame.columns and action is Action.DELETE:
            series.append(instants.timestamp_ms(frame[DELETED_AT]).alias(DELETED_AT))
            staged.append(StagedColumn(name=DELETED_AT, staging="timestamptz"))
        series += [one for one, _ in beside]
        staged += [column for _, column in beside]
        return TableWrite(
            table=binding.table.name,
            action=action,
            columns=tuple(staged),
            identity=tuple(by_name[name].target.name for name in binding.identity),
            rows=len(frame),
            payload=self._encoder.encode(pl.DataFrame(series), staged),
            origins=Origins(runs=block.runs, places=frame[SEQ]),
            overriding=any(column.target.identity for column in columns),
            strict=binding.strict,
            version=binding.version if action not in _LOOKING else None,
            floored=binding.floored and action not in _LOOKING,
            soft=binding.soft,
            rank=binding.table.rank,
            unique=not binding.replaces,
            filled=binding.filled,
        )


_LOOKING = (Action.LOOK_UP, Action.KEEP)


def _moments(decoded: Decoded, identity: list[str]) -> pl.DataFrame:
    """When rows went, by identity: the source's time of the first delete behind the last image; tombstones say none."""
    behind = _last_deletes(decoded, identity).sort(SEQ)
    return behind.group_by(identity).agg(pl.col(DELETED_AT).drop_nulls().first())


def _last_deletes(decoded: Decoded, identity: list[str]) -> pl.DataFrame:
    """The deletes behind the last images of their rows."""
    images = decoded.images.filter(~pl.col(SEQ).is_in(list(decoded.out)))
    last = images.group_by(identity).agg(pl.col(SEQ).max().alias(_LAST))
    return decoded.deletes.join(last, on=identity, how="left").filter(pl.col(SEQ) > pl.col(_LAST).fill_null(-1))


def _by_spelling(deletes: pl.DataFrame, block: Block, decoded: Decoded) -> Iterator[tuple[pl.DataFrame, bool]]:
    """Folded deletes, with whether they are of rows that go on under a key that may be the same to the table."""
    binding, identity = block.binding, list(block.binding.identity)
    if not any(column.spelled and column.source.name in identity for column in binding.columns):
        yield deletes, False
        return
    last = _last_deletes(decoded, identity)
    halves = block.with_header(last[SEQ].sort().to_list(), NEW_KEY, BARE)
    keys = last.filter(pl.col(SEQ).is_in(halves))
    for rows, moved in (
        (deletes.join(keys, on=identity, how="anti", maintain_order="left"), False),
        (deletes.join(keys, on=identity, how="semi", maintain_order="left"), True),
    ):
        if len(rows):
            yield rows, moved


def _moving(write: TableWrite, columns: Mapping[str, TargetColumn]) -> TableWrite:
    """A half of a key change with the columns that it keeps or takes, by the source's names."""
    return replace(
        write,
        moving={column.name: column.cast for column in columns.values()},
        kept_as={column.name: name for name, column in columns.items()},
    )


def _merged(
    partials: Sequence[Partial], judged: frozenset[str], images: pl.DataFrame
) -> Iterator[tuple[Partial, frozenset[str]]]:
    """Partial rows that lack the same columns, each with those in which a null may stand for a value.

    These are judged by the row that is there, so one write does for all of them.
    """
    groups: dict[frozenset[str], list[tuple[pl.DataFrame, frozenset[str]]]] = defaultdict(list)
    for partial in partials:
        for frame, doubted in _by_doubt(partial.frame, judged.intersection(partial.missing)):
            groups[frozenset(partial.missing) - doubted].append((frame, doubted))
    for missing, alike in groups.items():
        names = [name for name in images.columns if name not in missing]
        frames = [
            frame.with_columns(pl.lit(None, dtype=images.schema[name]).alias(name) for name in doubted).select(names)
            for frame, doubted in alike
        ]
        every = frozenset().union(*(doubted for _, doubted in alike))
        yield Partial(missing=tuple(sorted(missing)), frame=pl.concat(frames)), every


def _by_doubt(frame: pl.DataFrame, names: frozenset[str]) -> Iterator[tuple[pl.DataFrame, frozenset[str]]]:
    """Rows that lack these columns, by those of them that they have a doubtful null in."""
    if not names:
        yield frame, names
        return
    ordered = sorted(names)
    for flags, rows in frame.group_by([mark(name) for name in ordered], maintain_order=True):
        yield rows, frozenset(name for name, flag in zip(ordered, flags, strict=True) if flag)


def _by_sure_nulls(frame: pl.DataFrame, names: frozenset[str]) -> Iterator[tuple[pl.DataFrame, frozenset[str]]]:
    """Rows by those of these columns that have a null which is one, with the others that have a doubtful null.

    So all nulls that a write has in the latter are doubtful, and mostly one write does for all rows.
    """
    ordered = sorted(name for name in names if name in frame.columns and frame[mark(name)].any())
    sure = frame.select((pl.col(name).is_null() & ~pl.col(mark(name))).alias(name) for name in ordered)
    if not any(sure[name].any() for name in ordered):
        yield frame, frozenset(ordered)
        return
    groups = frame.hstack([sure[name].alias(f"?{name}") for name in ordered])
    for flags, rows in groups.group_by([f"?{name}" for name in ordered], maintain_order=True):
        unsure = [name for name, flag in zip(ordered, flags, strict=True) if not flag]
        yield rows.select(frame.columns), frozenset(name for name in unsure if rows[mark(name)].any())


def _doubting(write: TableWrite, doubted: frozenset[str], decoded: Decoded, binding: Binding) -> TableWrite:
    """A write with the source's columns in which its nulls are doubted."""
    theirs = {column.source.name: column.target.name for column in binding.columns}
    names = doubted & theirs.keys()
    return replace(
        write,
        doubted=frozenset(theirs[name] for name in names),
        long=frozenset(theirs[name] for name in names if binding.doubts[name] == "long"),
        never_null=frozenset(theirs[name] for name in names & decoded.never_null),
    )


def _unsure(write: TableWrite, doubted: frozenset[str], frame: pl.DataFrame, binding: Binding) -> TableWrite:
    """A write of whole rows, with which of them have a null in the columns in which all of its nulls are doubted."""
    names = [column.source.name for column in binding.columns]
    nulls = [pl.col(name).is_null() for name in names if name in doubted]
    return replace(write, unsure=frame.select(pl.any_horizontal(nulls)).to_series()) if nulls else write


def _by_lack(images: pl.DataFrame, masks: Mapping[str, pl.Series]) -> list[tuple[list[str], pl.DataFrame]]:
    """Images by the columns that they lack, each group in the order of its identity's places."""
    lacks = pl.DataFrame({f"#{number}": mask for number, mask in enumerate(masks.values())})
    names = list(masks)
    groups = images.hstack(lacks).group_by(lacks.columns, maintain_order=True)
    return [
        ([name for name, flag in zip(names, flags, strict=True) if flag], frame.drop(lacks.columns))
        for flags, frame in groups
    ]


def _carried(series: pl.Series, column: BoundColumn) -> tuple[pl.Series, StagedColumn]:
    """A column in the form of its staging type; as text when a value has no binary form here."""
    how = column.how
    name = column.target.name
    try:
        try:
            form = carried(series, how, column.source)
        except NotCarried:
            how = how.as_text()
            form = carried(series, how, column.source)
    except Unfit as error:
        raise Unfit(error.expected, error.found, error.remedy, at=f"after.{column.source.name}") from error
    target = column.target
    cast = target.cast if how.cast else None
    staged = StagedColumn(
        name=name,
        staging=how.staging,
        cast=cast,
        collation=target.collation,
        hashes=target.hashes,
        spelled=column.spelled,
    )
    return form, staged
