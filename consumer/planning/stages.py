"""The stages of a batch: which blocks are planned one behind the other, and what the blocks of one come to."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from consumer.core.binding import Binding, BindingKey
from consumer.core.key_turns import KeyRun, key_id
from consumer.core.modes import Mode
from consumer.core.plan import Aside, Stage, Truncate
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.runs import Run, runs
from consumer.core.stamps import Stamps
from consumer.core.writes import TableWrite
from consumer.planning.blocks import Block
from consumer.planning.unbound import Unbound
from consumer.ports.bindings import Bindings


def staged_blocks(bindings: Bindings, slices: Sequence[Slice], borders: Collection[RecordRef]) -> list[list[Block]]:
    """Blocks in the order of their stages: the n-th run of each partition is at stage n.

    Within a stage each partition adds to one block only, and a key lives in one partition, so the
    blocks of a stage touch disjoint rows. Where the id of a key's schema changes, a key moves to another one: no batch
    is applied in which such runs are together (`consumer.core.key_turns`).
    """
    stages: dict[int, dict[BindingKey, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for piece in slices:
        begin = [ref.offset for ref in borders if ref.at == piece.at]
        for place, run in enumerate(runs(piece, begin)):
            stages[place][BindingKey(piece.at.topic, run.key_frame, run.value_frame)].append(run)
    alike: dict[BindingKey, list[Run]] = defaultdict(list)
    for groups in stages.values():
        for key, group in groups.items():
            alike[key] += group
    bound = _bound(bindings, alike)
    return [[Block(bound[key], tuple(group)) for key, group in stages[place].items()] for place in sorted(stages)]


def key_runs(staged: Sequence[Sequence[Block]]) -> tuple[KeyRun, ...]:
    """Where keys of tables that have rows begin to have a schema's id, each partition's in order."""
    found: dict[tuple[TopicPartition, str, int], int] = {}
    for block in (block for blocks in staged for block in blocks):
        binding = block.binding
        if binding.table is None or binding.unreadable is not None or binding.mode is not Mode.ROWS:
            continue
        table = str(binding.table.name)
        for run in block.runs:
            if (schema_id := key_id(run)) is not None:
                found.setdefault((run.piece.at, table, schema_id), run.piece.offsets[run.start])
    return tuple(KeyRun(at, offset, table, schema_id) for (at, table, schema_id), offset in found.items())


def _bound(bindings: Bindings, alike: Mapping[BindingKey, Sequence[Run]]) -> dict[BindingKey, Binding]:
    """The bindings of runs. Raises Unbound, with a run of each kind that has none yet."""
    found: dict[BindingKey, Binding] = {}
    missing: dict[BindingKey, Run] = {}
    for key, group in alike.items():
        binding = bindings.find(key)
        unbound = group[0] if binding is None else next((run for run in group if not binding.is_of(run)), None)
        if unbound is not None:
            missing[key] = unbound
        elif binding is not None:
            found[key] = binding
    if missing:
        raise Unbound(missing)
    return found


@dataclass(slots=True)
class Gathered:
    """What the blocks of a stage are; `early` are writes in front of the others."""

    early: list[TableWrite] = field(default_factory=list)
    writes: list[TableWrite] = field(default_factory=list)
    letters: list[Aside] = field(default_factory=list)
    truncates: list[Truncate] = field(default_factory=list)
    contexts: list[tuple[RecordRef, str]] = field(default_factory=list)
    stamps: list[Stamps] = field(default_factory=list)

    def whole(self) -> list[Stage]:
        """The stage, with the writes in the order of their tables, maybe behind another one."""
        early, writes = (sorted(some, key=lambda write: write.turn) for some in (self.early, self.writes))
        if not early:
            return [Stage(tuple(writes), tuple(self.letters), tuple(self.truncates))]
        return [
            Stage(tuple(early), truncates=tuple(self.truncates)),
            Stage(tuple(writes), tuple(self.letters)),
        ]
