"""Records that have no binding yet, or one that does not know all labels that they bring."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import polars as pl

from consumer.core.binding import BindingKey
from consumer.core.fold import SEQ
from consumer.core.labels import strange
from consumer.core.markers import Placeholders
from consumer.core.runs import Run
from consumer.core.target import TableName
from consumer.planning.blocks import Block, Decoded

Labels = Mapping[TableName, Mapping[str, Sequence[str]]]
NO_LABELS: Labels = MappingProxyType({})


class Unbound(Exception):
    """Runs of records have no binding yet: the keys, and for each a run whose records say what to make.

    `labels`: or they have one that does not know these labels of its table's enums, by column.
    """

    def __init__(self, wanted: Mapping[BindingKey, Run], labels: Labels = NO_LABELS) -> None:
        super().__init__(list(wanted))
        self.wanted = wanted
        self.labels = labels


def require_labels(block: Block, decoded: Decoded, placeholders: Placeholders) -> None:
    """Raises Unbound where rows that do not go out bring labels that their binding does not know."""
    if not block.binding.labels:
        return
    images = decoded.images.filter(~pl.col(SEQ).is_in(list(decoded.out)))
    if found := strange(images, block.binding.labels, placeholders):
        raise unknown_labels(block, found)


def unknown_labels(block: Block, labels: Mapping[str, Sequence[str]]) -> Unbound:
    """The block's binding does not know these labels."""
    run = block.runs[0]
    assert block.binding.table is not None, "there are labels of a table"
    key = BindingKey(run.piece.at.topic, run.key_frame, run.value_frame)
    return Unbound({key: run}, {block.binding.table.name: labels})
