"""Bindings: how the records of one topic, key schema and value schema become rows of one table.

Looking a binding up asks nobody; making one asks the registry, the target's catalog and Kafka.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from consumer.binding.binder_settings import BinderSettings
from consumer.binding.evolver import Evolver
from consumer.binding.fair_lock import FairLock
from consumer.binding.gates import Cannot, NoneDecodes, NoneNamed
from consumer.binding.known import KnownBindings
from consumer.binding.maker import BindingMaker, Found
from consumer.binding.schemas import Schemas, key_of, value_of
from consumer.binding.tables import Tables
from consumer.binding.topic_traits import TopicTraits
from consumer.core.avro import UnsupportedSchema
from consumer.core.binding import Binding, BindingKey
from consumer.core.envelope import (
    RecordKind,
    WriterSchema,
)
from consumer.core.failure import Failure, Persistent
from consumer.core.failure_kind import Scope
from consumer.core.flags import ALL_ON, Switches
from consumer.core.grace import Grace
from consumer.core.key_schemas import are_alike
from consumer.core.kinds import KINDS
from consumer.core.naming import BadName
from consumer.core.runs import Run, origin
from consumer.core.target import TableName
from consumer.planning.planner import BadRecord
from consumer.planning.unbound import NO_LABELS, Labels
from consumer.ports.bindings import Catalog
from consumer.ports.decoding import Decoder, Registry
from consumer.ports.refusals import OF_VALUES
from consumer.ports.topics import Offsets

# waited for, and how often it is looked for, in seconds
_UNKNOWN = "record.schema_unknown"
# the target refuses our credentials
_NO_LOGIN = "target.login"
_LOOK_EVERY = 3.0
# seconds between two looks at how topics are cleaned
_POLICIES_EVERY = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom the binder asks: for schemas, tables and topics, and which flags are off; `rows` reads a table's name from
    a record.
    """

    registry: Registry
    catalog: Catalog
    offsets: Offsets
    rows: Decoder
    switches: Switches = ALL_ON


class Binder:
    """Makes bindings, one at a time: other threads wait for one. What is forgotten stays so until it is made anew."""

    def __init__(self, known: KnownBindings, sources: Sources, settings: BinderSettings) -> None:
        self._known = known
        self._settings = settings
        self._schemas = Schemas(sources.registry, sources.catalog, settings.missing_for)
        self._topics = TopicTraits(sources.offsets, _LOOK_EVERY)
        self._evolver = Evolver(sources.catalog, lambda table: self._settings.follow(table), sources.switches)
        found = Found(
            schemas=self._schemas,
            tables=Tables(sources.catalog, sources.rows, lambda topic: self._settings.named(topic)),
            catalog=sources.catalog,
            evolver=self._evolver,
            topics=self._topics,
        )
        self._maker = BindingMaker(known, found, lambda: self._settings)
        self._grace = Grace(settings.unknown_grace)
        self._turn = FairLock()
        self._policies_due = 0.0

    def close(self) -> None:
        """Ask nobody any more."""
        self._schemas.close()

    def lacking(self, wanted: Mapping[BindingKey, Run]) -> dict[BindingKey, Run]:
        """The runs that can't be bound before the registry was asked."""
        return {key: run for key, run in wanted.items() if self._schemas.lacks([run])}

    def fetch(self, wanted: Mapping[BindingKey, Run]) -> None:
        """Ask the registry for what runs lack, and hold up nobody who binds meanwhile. Raises Transient."""
        self._schemas.learn(wanted.values())

    def bind(
        self, wanted: Mapping[BindingKey, Run], labels: Labels = NO_LABELS, beat: Callable[[], None] = lambda: None
    ) -> None:
        """Make and remember the bindings of runs; anew where rows have brought labels that were not known.

        Others get their turn, and `beat` is called, in front of each. Raises BadRecord for a run's first record when
        none can be made, Transient when the registry, Kafka or the target is away.
        """
        with self._turn:
            for table, by_column in labels.items():
                if self._evolver.meet(table, by_column):
                    self._known.forget(table)
            new = [key for key, run in wanted.items() if not self._is_bound(key, run)]
            forbidden = self._topics.learn({key.topic for key in new}, time.monotonic())
            allowed = [key for key in new if key.topic not in forbidden]
            self._schemas.learn([wanted[key] for key in allowed])
            allowed.sort(key=lambda key: self._order(key, wanted[key]))
        for key in allowed:
            beat()
            with self._turn:
                # whoever had a turn meanwhile may have made it
                if not self._is_bound(key, wanted[key]):
                    self._bind(key, wanted[key])
        for key in new:
            if key.topic in forbidden:
                raise _stopping(wanted[key], forbidden[key.topic], _LOOK_EVERY)

    def spread(self, topics: Collection[str]) -> set[str]:
        """Note topics that have more partitions than one; returns those whose bindings hold for one only."""
        with self._turn:
            grown = self._known.alone() & set(topics)
            self._topics.note_spread(topics)
            self._known.forget_alone(grown)
            return grown

    def look_again(self) -> set[str]:
        """Look for topics whose bindings hold for one partition and that have got a second; returns them.

        Now and then also for topics that are cleaned otherwise: what their tombstones mean is bound anew. Raises
        Transient.
        """
        grown = self._topics.grown(self._known.alone())
        if time.monotonic() >= self._policies_due:
            self._look_at_policies()
        # who is making a binding is not waited for without need
        return self.spread(grown) if grown else set()

    def _look_at_policies(self) -> None:
        others = self._topics.cleaned_otherwise()
        self._policies_due = time.monotonic() + _POLICIES_EVERY
        if others:
            with self._turn:
                self._topics.note(others)
                for topic in others:
                    self._known.forget_topic(topic)

    def _order(self, key: BindingKey, run: Run) -> tuple[bool, bool]:
        """Tombstones last, and keys in front of them that look strange: those beside them say what a topic's are."""
        if key.value_frame is None or key.key_frame is None:
            return key.value_frame is None, False
        its, value = self._schemas.known(key_of(run)), self._schemas.known(value_of(run))
        return False, its is not None and value is not None and not are_alike(its, value)

    def _is_bound(self, key: BindingKey, run: Run) -> bool:
        binding = self._known.find(key)
        return binding is not None and binding.is_of(run)

    def _bind(self, key: BindingKey, run: Run) -> None:
        try:
            binding = self._maker.binding(key, run)
        except (Cannot, Persistent) as error:
            binding = self._refusing(key, run, error)
        except (UnsupportedSchema, BadName) as error:
            binding = self._refusing(key, run, Cannot("record.schema", str(error)))
        except OF_VALUES as error:
            detail = f"the schema can't be brought into the form of a table ({type(error).__name__})"
            binding = self._refusing(key, run, Cannot("record.schema", detail))
        self._known.learn(key, binding)

    def _refusing(self, key: BindingKey, run: Run, error: Cannot | Persistent) -> Binding:
        """The binding of records that can't be read.

        Raises BadRecord where it is the table that can't take them, or where a schema may become known yet.
        """
        if error.failure.kind == _NO_LOGIN:
            # that is no table's fault, and ends the process as anywhere else
            raise error
        if KINDS[error.failure.kind].scope is not Scope.RECORD:
            # what keeps it may be put right by hand, in a table that is not what it was to become
            self._evolver.forget_topic(key.topic)
            raise _stopping(run, error.failure) from error
        if error.failure.kind == _UNKNOWN and (left := self._grace.left(key.topic, key, time.monotonic())):
            raise _stopping(run, error.failure, min(left, _LOOK_EVERY)) from error
        return Binding(
            schema=WriterSchema(kind=RecordKind.OTHER),
            unreadable=error.failure,
            compacted=self._topics.compacted(key.topic),
            spoiled=self._known.spoiled(key, run) if isinstance(error, NoneDecodes | NoneNamed) else (),
        )

    def unheeded(self, binding: Binding) -> Sequence[str]:
        """The columns of which the settings say what becomes of doubtful nulls, though there are none."""
        return self._maker.unheeded(binding)

    def change(self, settings: BinderSettings, tables: Collection[str], topics: Collection[str]) -> set[str]:
        """Other settings hold from now on; what is bound of these tables and topics by those of before is forgotten.

        Returns the topics of which anything may have been planned by them.
        """
        with self._turn:
            self._settings = settings
            bound = {topic for topic, its in self._known.tables().items() if any(str(one) in tables for one in its)}
            self._known.forget_tables(tables)
            changed = {*topics, *bound, *self._evolver.topics_of(tables)}
            for topic in changed:
                self._known.forget_topic(topic)
                self._evolver.forget_topic(topic)
            return changed

    def forget(self, table: TableName | None, *, doubted: bool = False) -> None:
        """Forget what was read of a table's catalog (of all when None), and what it was to become.

        `doubted`: it may still be so; letters' rows are known by it until it was read again.
        """
        with self._turn:
            self._known.forget(table, doubted=doubted)
            self._evolver.forget(table)

    def forget_topic(self, topic: str) -> None:
        """Look again at a topic's table and at what of it could not be read."""
        with self._turn:
            self._known.forget_topic(topic)
            self._evolver.forget_topic(topic)

    def topics_of(self, table: TableName | None) -> set[str]:
        """The topics that feed a table."""
        return self._known.topics_of(table) if table else set()


def _stopping(run: Run, failure: Failure, wait: float | None = None) -> BadRecord:
    first = next((i for i in range(run.start, run.end) if run.piece.values[i] is not None), run.start)
    return BadRecord(origin([run], first - run.start), failure, wait=wait)
