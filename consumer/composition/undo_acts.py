"""The steps that take a batch back, composed: looked at row by row, then done, if every row can be."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

import psycopg

from consumer.applying.apart import Apart
from consumer.applying.rereading import Rereading
from consumer.composition.edge_settings import (
    breaker,
    frames,
    kafka_settings,
    one_session,
    registry_of,
    session_settings,
    source_settings,
)
from consumer.composition.undoing import Batch, Undo, Undoing
from consumer.composition.weighing import weigher_of
from consumer.core.decision import Undecidable
from consumer.core.framing import Datum
from consumer.core.schema_ref import SchemaRef
from consumer.core.workflow import Outcome, Task, Turn
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.postgres import audit, undone
from consumer.edges.postgres.lookup import LookingCatalog
from consumer.edges.postgres.source import whole_rows
from consumer.edges.postgres.translate import translated
from consumer.edges.postgres.undone import Undone
from consumer.edges.postgres.workflows import Act
from consumer.ports.desk import Note
from consumer.ports.refusals import DataFault, TableFault
from consumer.ports.workflows import CutOff
from consumer.settings.loading import Settings
from dlq.schemas import NoSchema, ref_of, schema_of

Open = Callable[[psycopg.Connection], AbstractContextManager[Undoing]]
"""Opens what reads and plans a batch, by what tables and settings are now."""
Whole = Callable[[Mapping[str, str]], Mapping[str, bool]]
"""Whether whole old rows are written at the source, by topic; given the tables' names there."""


def undo_acts(now: Callable[[], Settings], name: str, leaving: threading.Event | None = None) -> dict[str, Act]:
    """The acts; what they open they close in the same turn. `now`: the settings that are in force.

    `leaving`: set when the process is to end.
    """

    def look() -> None:
        if leaving is not None and leaving.is_set():
            raise CutOff

    def opened(connection: psycopg.Connection) -> AbstractContextManager[Undoing]:
        return _undoing(now(), name, connection, look)

    acts = UndoActs(now().kafka.group, opened, lambda tables: _whole(now(), tables))
    return {"look": acts.look, "undo": acts.undo}


@dataclass(frozen=True, slots=True)
class UndoActs:
    """Acts of workflows."""

    group: str
    opened: Open
    whole: Whole

    def look(self, connection: psycopg.Connection, task: Task) -> Turn:
        """List the batch's rows, with what would be done; then wait for a person, unless that was agreed to before."""
        judged = self._judged(connection, task)
        if isinstance(judged, Turn):
            return judged
        counts = judged.counts
        try:
            with translated("begin"), connection.transaction(force_rollback=True):
                judged.write()
        except (DataFault, TableFault) as refused:
            return Turn(progress=counts, outcome=Outcome.STOPS, why=f"the target refuses it: {refused.failure.detail}")
        if task.subject.get("apply") or task.progress.get("told"):
            return Turn(progress=counts, outcome=Outcome.DONE)
        why = (
            f"each of the {counts['rows']} rows can be taken back: headrace recover rows {task.workflow} says how; "
            f"then headrace recover resume {task.workflow}"
        )
        return Turn(progress={**counts, "told": True}, outcome=Outcome.STOPS, why=why)

    def undo(self, connection: psycopg.Connection, task: Task) -> Turn:
        """Take the batch back, if each of its rows still can be."""
        judged = self._judged(connection, task)
        if isinstance(judged, Turn):
            return judged
        counts = judged.counts
        judged.write()
        note = Note(task.actor, task.reason)
        details = {"workflow": task.workflow, "batch": task.subject["batch"], **counts}
        audit.write(connection, self.group, "take batch back", details, note)
        return Turn(progress=counts, outcome=Outcome.DONE)

    def _judged(self, connection: psycopg.Connection, task: Task) -> "_Judged | Turn":
        """What would be done with the rows, which are held and written down; the turn that says why nothing can be."""
        try:
            undo, rows = self._compared(connection, task)
        except Undecidable as error:
            return Turn(outcome=Outcome.STOPS, why=str(error))
        counts = undone.count(rows.rows)
        return _barred(task, counts) if counts["cannot"] else _Judged(undo, rows, counts)

    def _compared(self, connection: psycopg.Connection, task: Task) -> tuple[Undo, Undone]:
        """The rows as they are. Raises Undecidable."""
        found = undone.booked(connection, self.group, int(task.subject["batch"]))
        batch = Batch(
            ranges=found.ranges,
            records=found.records,
            topic_ids=found.topic_ids,
            letters=found.letters,
            whole=self.whole(found.sources),
        )
        with self.opened(connection) as undoing:
            undo = undoing.undo(batch)
        undone.hold(connection, self.group, found.ranges)
        judged = Undone(connection, self.group, undo.rows)
        judged.compare(undo.left)
        undone.keep(connection, task.workflow, list(judged.rows.values()))
        return undo, judged


@dataclass(frozen=True, slots=True)
class _Judged:
    """A batch of which every row can be taken back."""

    undo: Undo
    rows: Undone
    counts: Mapping[str, int]

    def write(self) -> None:
        """Take them back. Raises DataFault, TableFault."""
        self.rows.write(self.undo.wanted)


def _barred(task: Task, counts: Mapping[str, int]) -> Turn:
    why = (
        f"{counts['cannot']} of {counts['rows']} rows can't be taken back, so none is: "
        f"headrace recover rows {task.workflow} says why"
    )
    return Turn(progress=counts, outcome=Outcome.STOPS, why=why)


def _whole(settings: Settings, sources: Mapping[str, str]) -> Mapping[str, bool]:
    if not (settings.source.dsn and settings.source.connector == "postgresql" and sources):
        return {}
    tables = whole_rows(source_settings(settings), list(sources.values()))
    return {topic: tables[name] for topic, name in sources.items() if name in tables}


@contextmanager
def _undoing(
    settings: Settings, name: str, connection: psycopg.Connection, look: Callable[[], None]
) -> Iterator[Undoing]:
    kafka = kafka_settings(settings)
    session = replace(session_settings(settings, name), writes=False)
    with ExitStack() as opened:
        pool = opened.enter_context(closing(one_session(settings, session)))
        registry = opened.enter_context(closing(registry_of(settings, breaker(settings, "registry"))))
        offsets = KafkaOffsets(kafka)
        origins = opened.enter_context(closing(Rereading(KafkaOrigins(kafka), offsets)))
        weigher = weigher_of(settings, LookingCatalog(pool, settings.kafka.group), registry, _MOST)
        opened.callback(weigher.binder.close)
        known: dict[SchemaRef, str] = {}

        def schema(datum: Datum) -> str:
            try:
                ref = ref_of(datum.raw, datum.framing)
            except NoSchema as error:
                raise Undecidable(f"a {datum.part} of the batch has no schema: {error}") from error
            if ref not in known:
                with translated("read schema"):
                    known[ref] = schema_of(connection, registry, ref).text
            return known[ref]

        yield Undoing(
            origins=origins,
            offsets=offsets,
            frames=frames(settings),
            schema=schema,
            apart=Apart(weigher.planner, weigher.binder),
            look=look,
        )


# more rows than any batch has
_MOST = 1 << 24
