"""Schemas by the ids in front of records: fetched from the registry, and kept for when it is away."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from consumer.core.failure import Persistent, Transient
from consumer.core.framing import Datum, Foreign, foreign, framed_id, in_headers
from consumer.core.plan import Run
from consumer.gates import Cannot
from consumer.ports.bindings import Catalog
from consumer.ports.decoding import Registry

# requests to the registry at a time
_REQUESTS = 8


class Schemas:
    """What the registry said. Whoever asks for the same meanwhile asks too, and learns the same."""

    def __init__(self, registry: Registry, catalog: Catalog) -> None:
        self._registry = registry
        self._catalog = catalog
        self._known: dict[int, str] = {}
        # kept, since starting threads for a few schemas costs more than asking for them
        self._asking = ThreadPoolExecutor(_REQUESTS, thread_name_prefix="registry")

    def close(self) -> None:
        """Ask for nothing more. Who is being answered is not waited for: the registry's own limits end that."""
        self._asking.shutdown(wait=False, cancel_futures=True)

    def lacks(self, frames: Collection[bytes]) -> bool:
        """Whether the registry has to be asked for one of them."""
        return bool(self._new(frames))

    def _new(self, frames: Collection[bytes]) -> set[int]:
        ids = {schema_id for frame in frames if (schema_id := framed_id(frame)) is not None}
        return {schema_id for schema_id in ids if schema_id not in self._known}

    def learn(self, frames: Collection[bytes]) -> None:
        """Fetch schemas by several requests at a time, from what was kept of them when the registry is away.

        An id that the registry does not know is left to the run that has it. Raises Transient.
        """
        new = self._new(frames)
        fetched: dict[int, str] = {}
        asked = {schema_id: self._asking.submit(self._registry.schema, schema_id) for schema_id in sorted(new)}
        try:
            for schema_id, answer in asked.items():
                with suppress(Persistent):
                    fetched[schema_id] = answer.result()
        except Transient:
            # no use in asking on: a registry that hangs would hold everything up, once for each id
            kept = self._catalog.recall_schemas(self._registry.name, sorted(new - fetched.keys()))
            self._known |= kept
            if new - fetched.keys() - kept.keys():
                raise
        finally:
            for answer in asked.values():
                answer.cancel()
        if fetched:
            self._catalog.remember_schemas(self._registry.name, fetched)
            self._known |= fetched

    def text(self, datum: Datum) -> str:
        """The schema that a datum was written with. Raises Cannot, Persistent, Transient."""
        schema_id = schema_id_of(datum)
        known = self._known.get(schema_id)
        if known is not None:
            return known
        try:
            return self._registry.schema(schema_id)
        except Persistent as error:
            # what stands in front of a datum whose id is elsewhere may look like any id
            elsewhere = in_headers(datum)
            if elsewhere is None:
                raise
            raise _misframed(datum, elsewhere) from error


def value_of(run: Run) -> Datum:
    """The run's first value."""
    return _datum("value", run, run.piece.values)


def key_of(run: Run) -> Datum:
    """The run's first key. Raises Cannot."""
    if run.key_frame is None:
        raise Cannot("record.identity", "the record has no key, so its row can't be told from others", _NO_KEY)
    return _datum("key", run, run.piece.keys)


def _datum(part: str, run: Run, every: Sequence[bytes | None]) -> Datum:
    place, raw = next((i, each) for i in range(run.start, run.end) if (each := every[i]) is not None)
    return Datum(part=part, raw=raw, headers=partial(run.piece.headers, run.piece.offsets[place]))


def schema_id_of(datum: Datum) -> int:
    """The schema id in front of a datum. Raises Cannot."""
    schema_id = datum.schema_id
    if schema_id is None:
        raise _misframed(datum, foreign(datum))
    return schema_id


def _misframed(datum: Datum, found: Foreign) -> Cannot:
    detail = f"{datum.part}: expected a zero byte and the id of an Avro schema in front, found {found.found}"
    return Cannot(found.kind, detail, found.remedy)


_NO_KEY = "Give the source table a primary key, or set message.key.columns on the connector."
