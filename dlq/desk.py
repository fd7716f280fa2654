"""Letters of a group as people ask and decide about them, on one session. Decisions are written down with their reason.

Whoever asks is somebody else's matter: roles are checked in front of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from consumer.binding.mapping import PLAIN, TableMapping
from consumer.core.decision import Undecidable
from consumer.core.failure import HeadraceError
from consumer.core.schema_ref import SchemaRef, Space
from consumer.core.target import TableName
from consumer.core.wording import HIDDEN
from consumer.edges.postgres import audit
from consumer.edges.postgres.audit import About
from consumer.edges.postgres.catalog import read_table
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note
from dlq import actions, letters
from dlq.actions import Done
from dlq.difference import Difference, Weigher, difference
from dlq.edit import NotEdited, edit, editable
from dlq.export import Exported, exported
from dlq.groups import Group, groups
from dlq.history import Whole, whole
from dlq.jobs import shown
from dlq.letters import Letter, Place
from dlq.patching import Patch
from dlq.payload import GONE, Payload, Sources, held_by, payload
from dlq.schema_words import against_newest, against_table, columns_of
from dlq.schemas import newest_id, of_letter, schema_of
from dlq.selection import Selection


@dataclass(frozen=True, slots=True)
class LetterDesk:
    """Raises HeadraceError; of edits also NotEdited. A `dry_run` says what would be done, and does not do it.

    `max_replays`: how often a letter may be sent in its life.
    """

    connection: psycopg.Connection
    group: str
    sources: Sources
    weigher: Callable[[], Weigher]
    mappings: Mapping[str, TableMapping] = field(default_factory=dict)
    max_replays: int = 10

    def groups(self, selection: Selection, most: int) -> list[Group]:
        """The groups of letters, the last seen first."""
        with translated("list groups"):
            return groups(self.connection, self.group, selection, most)

    def page(self, selection: Selection, most: int, after: Place | None = None) -> list[Letter]:
        """Letters behind a place, the last that failed first."""
        with translated("list letters"):
            return letters.page(self.connection, self.group, selection, most=most, after=after)

    def count(self, selection: Selection) -> int:
        """How many letters are meant."""
        with translated("count letters"):
            return letters.count(self.connection, self.group, selection)

    def facets(self, selection: Selection) -> dict[str, dict[str, int]]:
        """By facet its values with the number of letters."""
        with translated("count letters"):
            return letters.facets(self.connection, self.group, selection)

    def whole(self, number: int) -> Whole | None:
        """One letter in full, without its payload."""
        with translated("read letter"):
            return whole(self.connection, self.group, number)

    def payload(self, number: int, said: Note, *, original: bool = False) -> Payload | None:
        """What a letter holds; that somebody looked is written down first."""
        with translated("read payload"):
            self._write("view payload", said, [number])
            return payload(self.connection, self.group, number, self.sources, original=original)

    def difference(self, number: int, said: Note, *, original: bool = False) -> Difference | None:
        """What a letter would make of its row; that somebody looked is written down first."""
        with translated("compare letter"):
            self._write("view payload", said, [number])
            held = held_by(self.connection, self.group, number, self.sources.fetch, original=original)
            if held is None:
                return None
            if held.record is None:
                return Difference(table=held.table, effect=None, why=GONE)
            return difference(self.connection, self.group, held.record, self.weigher(), self.sources.mask)

    def schema_words(self, number: int) -> list[str]:
        """How the schema of a letter's value differs from its table and from the newest schema of it, in words.

        Nothing where the letter's bytes or its table are not known here.
        """
        with translated("compare schemas"):
            table, ref = of_letter(self.connection, self.group, number, self.sources.frames)
            try:
                return self._schema_words(table, ref) if table and ref else []
            except HeadraceError as error:
                return [f"its schema can't be had: {error.failure.detail}"]

    def _schema_words(self, table: str, ref: SchemaRef) -> list[str]:
        registry = self.sources.registry
        own = schema_of(self.connection, registry, ref)
        columns = columns_of(own.text)
        if not columns:
            return []
        said: list[str] = []
        newest = newest_id(self.connection, self.group, table)
        if newest is not None and newest > own.number:
            # the number of a GUID is one of the registry's ids
            space = Space.IDS if ref.space is Space.GUIDS else ref.space
            latest = schema_of(self.connection, registry, SchemaRef(space, newest))
            said = against_newest(columns, columns_of(latest.text), newest)
        there = read_table(self.connection, TableName(*table.split(".", 1)))
        mapping = self.mappings.get(table, PLAIN)
        # what a transform makes of a row, no schema says
        return said if there is None or mapping.transform else [*said, *against_table(columns, there, mapping)]

    def editable(self, number: int, said: Note) -> dict[str, Any]:
        """A dead letter's row as a patch finds it under `/after/`; that somebody looked is written down first."""
        with translated("read payload"):
            self._write("view payload", said, [number])
            found = editable(self.connection, self.group, number, self.sources)
        return {
            name: HIDDEN if name in found.hidden and value is not None else value
            for name, value in found.values.items()
        }

    def edit(self, number: int, patch: Patch, said: Note, *, dry_run: bool = False) -> tuple[str, ...]:
        """Change a dead letter's row; returns the columns that changed.

        What is only tried, or refused, tells something of the row too: it is written down before that is told.
        """
        try:
            with self._deciding("edit letter", dry_run):
                changed = edit(self.connection, self.group, number, patch, said.actor, self.sources)
                audit.write(
                    self.connection,
                    self.group,
                    "edit letter",
                    {"columns": list(changed)},
                    said,
                    About(letters=[number]),
                )
        except NotEdited:
            self._write("try edit", said, [number])
            raise
        if dry_run:
            self._write("try edit", said, [number])
        return changed

    def replay(self, numbers: Sequence[int], said: Note, *, dry_run: bool = False) -> Done:
        """Send dead letters again."""
        most = self.max_replays
        return self._done(
            "replay letters",
            lambda: actions.replay(self.connection, self.group, numbers, most=most),
            said,
            dry_run,
        )

    def given_up(self, numbers: Sequence[int]) -> int:
        """How many letters `discard` would give up, as things stand; nothing is locked."""
        with translated("count letters"):
            return actions.given_up(self.connection, self.group, numbers)

    def discard(self, numbers: Sequence[int], said: Note, *, dry_run: bool = False, expect: int | None = None) -> Done:
        """Give letters up, and with each what waits for it; `expect`: how many, as whoever agreed to it was shown.

        Raises Undecidable where it would be others by now, and gives none up.
        """

        def action() -> Done:
            done = actions.discard(self.connection, self.group, numbers, said.reason)
            if expect is not None and len(done.changed) != expect:
                raise Undecidable(f"{len(done.changed)} letters would be given up, not {expect}; look again")
            return done

        return self._done("discard letters", action, said, dry_run)

    @contextmanager
    def export(self, selection: Selection, said: Note, *, payloads: bool = False) -> Iterator[Iterator[Exported]]:
        """All letters of a selection as they are at one moment, by id; with what they hold if that is wanted."""
        if payloads:
            with translated("export letters"):
                details: dict[str, object] = {"letters": self.count(selection), "selection": shown(selection)}
                self._write("export payloads", said, (), details)
        sources = self.sources if payloads else None
        with translated("export letters"), exported(self.connection, self.group, selection, sources) as found:
            yield found

    def _write(
        self, what: str, said: Note, letters: Sequence[int], details: Mapping[str, object] | None = None
    ) -> None:
        audit.write(self.connection, self.group, what, details or {}, said, About(letters=letters))

    def _done(self, what: str, action: Callable[[], Done], said: Note, dry_run: bool) -> Done:
        with self._deciding(what, dry_run):
            done = action()
            if done.changed:
                self._write(what, said, done.changed)
        return done

    @contextmanager
    def _deciding(self, what: str, dry_run: bool) -> Iterator[None]:
        if dry_run:
            with translated(what), self.connection.transaction(force_rollback=True):
                yield
        else:
            with transaction(self.connection, what):
                yield
