"""Schemas by what leads to them: fetched from the registry, and kept for when it is away."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import structlog

from consumer.binding.gates import Cannot
from consumer.core.failure import Failure, Persistent, Transient, told
from consumer.core.framing import Datum, elsewhere, expected, foreign, said_by
from consumer.core.kinds import KINDS
from consumer.core.runs import Run
from consumer.core.schema_ref import Foreign, SchemaRef, Space
from consumer.ports.bindings import Catalog
from consumer.ports.decoding import Found, Registry
from consumer.ports.refusals import DataFault, TableFault

log = structlog.get_logger("headrace.bind")

# requests to the registry at a time
_REQUESTS = 8


class _Answers(NamedTuple):
    """What the registry gave, and what it refused; `away`: why not all was asked for."""

    fetched: Mapping[SchemaRef, Found]
    refused: Mapping[SchemaRef, Failure]
    away: Transient | None


class Schemas:
    """What the registry said. Whoever asks for the same meanwhile asks too, and learns the same."""

    def __init__(self, registry: Registry, catalog: Catalog, missing_for: float) -> None:
        """`missing_for`: seconds for which an answer that an id is not known, or no schema of ours, is believed."""
        self._registry = registry
        self._catalog = catalog
        self._known: dict[SchemaRef, Found] = {}
        self._missing_for = missing_for
        # what the registry refused, and until when that is believed (monotonic)
        self._missing: dict[SchemaRef, tuple[Failure, float]] = {}
        # kept, since starting threads for a few schemas costs more than asking for them
        self._asking = ThreadPoolExecutor(_REQUESTS, thread_name_prefix="registry")

    def close(self) -> None:
        """Ask for nothing more. Who is being answered is not waited for: the registry's own limits end that."""
        self._asking.shutdown(wait=False, cancel_futures=True)

    def lacks(self, runs: Iterable[Run]) -> bool:
        """Whether the registry has to be asked for a schema of one of them."""
        return bool(self._new(runs))

    def _new(self, runs: Iterable[Run]) -> set[SchemaRef]:
        refs = {ref for run in runs for ref in _refs(run) if ref not in self._known}
        return {ref for ref in refs if self._refusal(ref) is None}

    def _refusal(self, ref: SchemaRef) -> Failure | None:
        failure, until = self._missing.get(ref, (None, 0.0))
        return failure if time.monotonic() < until else None

    def learn(self, runs: Iterable[Run]) -> None:
        """Fetch schemas by several requests at a time; those that the registry does not give, from what was kept.

        What it gave is known, whatever becomes of the rest. An id that it does not know, and of which nothing is kept,
        is left to the run that has it. Raises Transient.
        """
        new = self._new(runs)
        fetched, refused, away = self._asked(new)
        self._known |= fetched
        self._remember(fetched)
        if left := new - fetched.keys():
            kept = self._recalled({ref for ref in left if _may_be_kept(refused.get(ref))})
            self._known |= kept
            self._refuse({ref: failure for ref, failure in refused.items() if ref not in kept})
            if away is not None and left - kept.keys() - refused.keys():
                raise away

    def _asked(self, refs: Collection[SchemaRef]) -> _Answers:
        fetched: dict[SchemaRef, Found] = {}
        refused: dict[SchemaRef, Failure] = {}
        away: Transient | None = None
        asked = {ref: self._asking.submit(self._registry.find, ref) for ref in sorted(refs, key=_order)}
        try:
            for ref, answer in asked.items():
                if away is not None and answer.cancelled():
                    continue
                try:
                    fetched[ref] = answer.result()
                except Persistent as error:
                    refused[ref] = error.failure
                except Transient as error:
                    away = away or error
                    # no use in asking on: a registry that hangs would hold everything up, once for each id
                    _cancel(asked.values())
        finally:
            _cancel(asked.values())
        return _Answers(fetched, refused, away)

    def _refuse(self, refused: dict[SchemaRef, Failure]) -> None:
        now = time.monotonic()
        until = now + self._missing_for
        kept = {ref: said for ref, said in self._missing.items() if now < said[1]}
        self._missing = kept | {ref: (failure, until) for ref, failure in refused.items()}

    def _remember(self, fetched: Mapping[SchemaRef, Found]) -> None:
        named: dict[str, dict[int, str]] = defaultdict(dict)
        for ref, found in fetched.items():
            named[self._registry.name(ref)][found.number] = found.text
        for name, schemas in named.items():
            try:
                self._catalog.remember_schemas(name, schemas)
            except (DataFault, TableFault) as error:
                # they are known for as long as this process lives
                log.warning("schemas are not kept for when the registry is away", registry=name, **told(error.failure))

    def _recalled(self, refs: Collection[SchemaRef]) -> dict[SchemaRef, Found]:
        named: dict[str, list[SchemaRef]] = defaultdict(list)
        for ref in refs:
            named[self._registry.name(ref)].append(ref)
        found: dict[SchemaRef, Found] = {}
        for name, same in named.items():
            if same[0].space is Space.GUIDS:
                found |= {ref: Found(*kept) for ref in same for kept in self._catalog.recall_schemas(name).items()}
            else:
                kept = self._catalog.recall_schemas(name, sorted(ref.number for ref in same))
                found |= {ref: Found(ref.number, kept[ref.number]) for ref in same if ref.number in kept}
        return found

    def text(self, datum: Datum) -> str:
        """The schema that a datum was written with. Raises Cannot, Persistent, Transient."""
        return self._found(datum).text

    def known(self, datum: Datum) -> str | None:
        """The same, if it is known already."""
        found = self._known.get(datum.ref) if datum.ref is not None else None
        return None if found is None else found.text

    def number(self, datum: Datum) -> int:
        """That schema's number. Raises Cannot, Persistent, Transient."""
        ref = ref_of(datum)
        return self._found(datum).number if ref.space is Space.GUIDS else ref.number

    def _found(self, datum: Datum) -> Found:
        ref = ref_of(datum)
        known = self._known.get(ref)
        if known is not None:
            return known
        try:
            if (refusal := self._refusal(ref)) is not None:
                raise Persistent(refusal)
            return self._registry.find(ref)
        except Persistent as error:
            # what stands in front of a datum whose id is elsewhere may look like any id
            other = elsewhere(datum)
            if other is None:
                raise
            raise _misframed(datum, other) from error


def _cancel(asked: Iterable[Future[Found]]) -> None:
    """Those that have not begun."""
    for answer in asked:
        answer.cancel()


def value_of(run: Run) -> Datum:
    """The run's first value."""
    return _datum("value", run, run.piece.values)


def key_of(run: Run) -> Datum:
    """The run's first key. Raises Cannot."""
    if run.key_frame is None:
        raise Cannot("record.identity", "the record has no key, so its row can't be told from others", _NO_KEY)
    return _datum("key", run, run.piece.keys)


def _datum(part: str, run: Run, every: Sequence[bytes | None]) -> Datum:
    piece = run.piece
    place, raw = next((i, each) for i in range(run.start, run.end) if (each := every[i]) is not None)
    return Datum(part=part, raw=raw, headers=partial(piece.headers, piece.offsets[place]), framing=piece.framing)


def _refs(run: Run) -> list[SchemaRef]:
    """What leads to the schemas of a run."""
    said = [said_by(frame, run.piece.framing) for frame in (run.key_frame, run.value_frame) if frame]
    return [ref for ref in said if isinstance(ref, SchemaRef)]


def _order(ref: SchemaRef) -> tuple[str, int]:
    return ref.space.value, ref.number


def ref_of(datum: Datum) -> SchemaRef:
    """What leads to a datum's schema. Raises Cannot."""
    ref = datum.ref
    if ref is None:
        raise _misframed(datum, foreign(datum))
    return ref


def _misframed(datum: Datum, found: Foreign) -> Cannot:
    return Cannot(found.kind, f"{datum.part}: {expected(datum.framing)}, found {found.found}", found.remedy)


_NO_KEY = (
    "Give the source table a primary key, or set message.key.columns on the connector, to columns of the table's "
    "replica identity."
)


def _may_be_kept(refused: Failure | None) -> bool:
    """Whether what was kept of an id counts: the registry has not said what else it is."""
    return refused is None or refused.kind == KINDS["record.schema_unknown"].name
