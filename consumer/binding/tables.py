"""The target tables of topics: named after their source, claimed for one topic, created where that is allowed."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

import polars as pl

from consumer.binding.gates import Cannot, NoneDecodes, NoneNamed
from consumer.core.envelope import SOURCE, WriterSchema
from consumer.core.framing import FRAME
from consumer.core.key_schemas import BoundKey, KeySchema, another_than
from consumer.core.naming import BadName, check_names, table_name, telling
from consumer.core.rewriting import Rewritten
from consumer.core.runs import Run
from consumer.core.target import TableName, TargetTable
from consumer.ports.bindings import Catalog
from consumer.ports.decoding import BadDatum, Decoder

Names = Mapping[str, str | None]
"""What the source calls a table: `db`, `schema` and `table`, as far as it says so."""

# records that say no name for a table: so many are no oddities, it is the topic or its template that has none
_ODD = 10


class Tables:
    """Asks the catalog; `rows` reads a table's names from a record, `template` gives that of a topic's names.

    Belongs to one thread at a time.
    """

    def __init__(self, catalog: Catalog, rows: Decoder, template: Callable[[str], str]) -> None:
        self._catalog = catalog
        self._rows = rows
        self._template = template
        # the source's names by topic and key schema, as they are stored
        self._sources: dict[tuple[str, int], BoundKey] = {}

    def source(self, topic: str, schema: WriterSchema, run: Run) -> dict[str, str | None]:
        """The `source` block of the run's first sound record that names a table.

        Raises NoneDecodes; NoneNamed where the few that decode name none, and BadName where many do not.
        """
        assert schema.rewritten is not None, "changes have a form that the decoders read"
        there = {field["name"] for field in json.loads(schema.rewritten.text)["fields"]}
        names = sorted(there & {f"{SOURCE}db", f"{SOURCE}schema", f"{SOURCE}table"})
        odd: list[BadName] = []
        for row in self._sound(schema.rewritten.text, run, names):
            source = {name.removeprefix(SOURCE): row[name] for name in names}
            try:
                check_names(source)
                table_name(self._template(topic), topic, source)
            except BadName as error:
                odd.append(error)
                if len(odd) == _ODD:
                    raise
            else:
                return source
        if odd:
            raise NoneNamed(str(odd[0]))
        raise NoneDecodes

    def operation(self, schema: WriterSchema, run: Run) -> str | None:
        """The operation of the run's first sound record. Raises NoneDecodes."""
        assert schema.rewritten is not None, "changes have a form that the decoders read"
        for row in self._sound(schema.rewritten.text, run, []):
            return row["op"]
        raise NoneDecodes

    def _sound(self, schema: str, run: Run, names: Sequence[str]) -> Iterator[Mapping[str, str | None]]:
        """Operation and names of each record that decodes, one by one as they are wanted."""
        for value in run.piece.values[run.start : run.end]:
            if value is not None:
                try:
                    frame = self._rows.decode(schema, [value[FRAME:]], ["op", *names])
                except BadDatum:
                    continue
                yield frame.row(0, named=True)

    def require_readable(self, form: Rewritten | None) -> None:
        """Raises Persistent where the decoders read no data of this form, whatever they are."""
        if form is not None:
            self._rows.decode(form.text, [], [field["name"] for field in json.loads(form.text)["fields"]])

    def image(self, schema: WriterSchema) -> dict[str, pl.DataType]:
        """The types that a row image decodes into, by column."""
        assert schema.rewritten is not None, "changes have a form that the decoders read"
        rows = self._rows.decode(schema.rewritten.text, [], ["after"])
        return dict(rows["after"].struct.schema)

    def name(self, topic: str, source: Names) -> TableName:
        """The table, which no other topic of the group has, whichever worker applies it.

        Raises Cannot, BadName, Persistent.
        """
        name = table_name(self._template(topic), topic, source)
        owner = self._catalog.claim_table(name, topic)
        if owner != topic:
            raise Cannot("table.shared", f"topic {owner} is applied to table {name} already")
        return name

    def require_one(self, topic: str, source: Names) -> dict[str, str | None]:
        """Which of the source's names tell the topic's table. Raises Cannot where its records before had others."""
        own = telling(self._template(topic), source)
        for known in self._catalog.known_keys(topic) if own else ():
            other = telling(self._template(topic), known.names)
            if other != own:
                raise Cannot("table.mixed", f"the topic had changes of {_said(other)} before, and now of {_said(own)}")
        return own

    def remember(self, topic: str, schema_id: int, bound: BoundKey) -> None:
        """Have at hand what a worker needs that meets a tombstone of the topic first, or a key of another table."""
        if self._sources.get((topic, schema_id)) != bound:
            self._catalog.remember_source(topic, schema_id, bound)
            self._sources[topic, schema_id] = bound

    def require_own_key(self, topic: str, key: KeySchema, source: Names | None = None) -> None:
        """Raises Cannot where a key's schema is another table's than that of the topic's records before.

        `source`: of which table the record says that it is; columns that are those of before say the same row.
        """
        known = [one.key for one in self._catalog.known_keys(topic) if source in (None, one.names)]
        if source is not None and key.columns in {one.columns for one in known}:
            return
        other = another_than(key, known)
        if other is not None:
            detail = f"key: expected the schema {other.name}, as of the topic's records before, found {key.name}"
            raise Cannot("record.identity", detail, _OTHER_KEY)

    def recalled(self, topic: str, key_schema: int) -> dict[str, str | None] | None:
        """What the source called the table of a topic when its records were bound before, if they were."""
        source = self._catalog.recall_source(topic, key_schema)
        return None if source is None else dict(source)

    def remembered(self, topic: str, key_schema: int) -> TargetTable:
        """The table of a topic none of whose values was seen yet, as it was named before. Raises Cannot, BadName."""
        source = self.recalled(topic, key_schema)
        if source is None:
            raise Cannot("table.tombstones", "a compacted topic begins with a tombstone; its table is not known yet")
        name = self.name(topic, source)
        table = self._catalog.read_table(name)
        if table is None:
            detail = f"the target has no table {name}, and a tombstone can't make one"
            raise Cannot("table.missing", detail, _MAKE_TABLE)
        return table

    def there(self, name: TableName) -> TargetTable | None:
        """The table, or None."""
        return self._catalog.read_table(name)


def missing(name: TableName) -> Cannot:
    """There is no such table."""
    return Cannot("table.missing", f"the target has no table {name}")


def _said(source: Names) -> str:
    return ".".join(str(name) for name in source.values())


_OTHER_KEY = (
    "Look at the record with its schemas; have the source send the row again (Debezium incremental snapshot of its "
    "key), then discard the letter."
)
_MAKE_TABLE = (
    "Create it as the topic's rows need it, or set target.table, or table of the topic, to the name that it has now."
)
