"""The sections of the settings that are about one topic, or about one target table and its columns."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

from consumer.core.checks import check_pattern, is_empty
from consumer.core.formats import Format
from consumer.core.naming import MAX_BYTES, BadName, check_template
from consumer.settings.kafka import IdPlaces
from consumer.settings.section import Section
from consumer.settings.target import Decided, Wished

Limit = Decimal | datetime | date | None
Size = Annotated[int, Field(ge=0, le=1 << 30)] | None


class Topic(Section):
    """Where the changes of one topic go, what it has to keep to, and where its schema ids are."""

    table: str | None = Field(
        default=None,
        description="Overrides target.table for this topic: schema.table, with the same fields or without any.",
    )
    contract: str | None = Field(
        default=None,
        min_length=1,
        description="File with an Avro schema (.avsc) of the topic's row, or of its whole envelope; a path from where "
        "the worker is started. A writer schema that does not fit it stops the topic's partitions.",
    )
    compatibility: Literal["forward", "backward", "full", "none"] = Field(
        default="forward",
        description="forward: what is written can be read as the contract says. backward: what was written by the "
        "contract can be read by the writer schema. full: both. none: what does not fit is only logged.",
    )
    schema_ids: IdPlaces | None = Field(default=None, description="Overrides source.schema_ids for this topic.")

    @model_validator(mode="after")
    def _said(self) -> "Topic":
        nothing = self.table is None and self.schema_ids is None
        if self.contract is None and (nothing or "compatibility" in self.model_fields_set):
            raise ValueError("a topic has a table, a contract or schema_ids; compatibility is that of a contract")
        return self

    @field_validator("table")
    @classmethod
    def _template(cls, template: str | None) -> str | None:
        if template is not None:
            try:
                check_template(template, one=True)
            except BadName as error:
                raise ValueError(str(error)) from error
        return template


class Column(Section):
    """Policy of one column of a target table."""

    zero_bytes: Literal["reject", "strip", "escape"] = Field(
        default="reject",
        description="What becomes of zero bytes in texts, which PostgreSQL can't hold: reject makes a letter of the "
        "record, strip leaves them out, escape writes \\u0000 in their place. Not for key columns.",
    )
    nanoseconds: Literal["reject", "cut"] = Field(
        default="reject",
        description="What becomes of times with parts of a microsecond, which PostgreSQL's types can't hold: reject "
        "makes a letter of the record, cut leaves the parts out. Not for key columns.",
    )
    binary: Literal["base64", "base64-url-safe", "hex"] | None = Field(
        default=None,
        description="The connector's binary.handling.mode, for a column whose bytes come as text. Not in the schema.",
    )
    type: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_ .]*(\([0-9]+(, *[0-9]+)?\))?(\[\])?$",
        description="Type of the column in a table that is created, instead of the one that the schema suggests. It "
        "must be there, as an enum type or a domain.",
    )
    doubtful_nulls: Literal["reject", "keep", "write"] | None = Field(
        default=None,
        description="What becomes of a null in an update that may stand for an unchanged value which PostgreSQL's "
        "connector did not send: reject makes a letter of the record where the table has a value, keep leaves the "
        "table's value, write writes the null. Without it: reject where the column's type has such nulls, of numbers "
        "that may have more than 29 digits where the table has one that does, else write. "
        "Other databases' logs have whole rows: there it is not heeded, and a warning says so.",
    )
    rename: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the column in the table. The settings keep the source's.",
    )
    mask: str | None = Field(
        default=None, description="Text that stands in the place of every value. Not for key columns."
    )
    erase: bool = Field(default=False, description="Null stands in the place of every value. Not for key columns.")
    hash: bool = Field(
        default=False,
        description="The HMAC-SHA256 of each value under secrets.hash_key stands in its place, in hexadecimal digits; "
        "for texts, integers and bytes. Not for key columns.",
    )

    @field_validator("rename")
    @classmethod
    def _fits(cls, name: str | None) -> str | None:
        if name is not None and len(name.encode()) > MAX_BYTES:
            raise ValueError(f"the name is longer than PostgreSQL's {MAX_BYTES} bytes")
        return name

    @model_validator(mode="after")
    def _one_way(self) -> "Column":
        if (self.mask is not None) + self.erase + self.hash > 1:
            raise ValueError("only one of mask, erase and hash")
        return self


class Check(Section):
    """What the values of one column have to keep to. A record with one that does not becomes a letter.

    Nothing is said of deletes, of columns that Debezium left out, nor of nulls but by not_null.
    """

    not_null: bool = Field(default=False, description="There is a value.")
    min: Limit = Field(default=None, description="Least number, or earliest day or time (without a zone: UTC).")
    max: Limit = Field(default=None, description="Greatest number, or latest day or time; a day as a whole.")
    length: Size = Field(default=None, description="Exact number of characters of a text, or of bytes.")
    min_length: Size = Field(default=None, description="Least number of them.")
    max_length: Size = Field(default=None, description="Most of them.")
    pattern: str | None = Field(
        default=None,
        min_length=1,
        description="Regular expression that a text has to match somewhere; with ^ and $ as a whole. Without "
        "look-around and back-references.",
    )
    allowed: Annotated[list[StrictBool | StrictInt | StrictStr], Field(min_length=1)] | None = Field(
        default=None, alias="in", description="All values that it may have: texts, integers or booleans."
    )
    format: Format | None = Field(
        default=None,
        description="Common format of a text: email, uuid, url (http, https), ipv4, ipv6, ip, country (ISO 3166, two "
        "letters), currency (ISO 4217, three letters), e164 (telephone number). How it looks, not whether it is there.",
    )
    past: bool = Field(
        default=False,
        description="A date or time is not in the future; one without a zone may be up to 14 hours ahead of UTC.",
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            check_pattern(pattern)
        return pattern

    @model_validator(mode="after")
    def _sound(self) -> "Check":
        if not self.model_dump(exclude_defaults=True):
            raise ValueError("a check has at least one rule")
        if self.length is not None and (self.min_length is not None or self.max_length is not None):
            raise ValueError("length is exact; min_length and max_length say nothing beside it")
        if self.min_length is not None and self.max_length is not None and self.min_length > self.max_length:
            raise ValueError("min_length must not be more than max_length")
        if is_empty(self.min, self.max):
            raise ValueError("min and max are of one kind, and min is not more than max")
        return self


class TableEvolution(Section):
    """What of it is different for a table."""

    create: Decided | None = Field(default=None, description="Overrides evolution.create for this table.")
    add: Decided | None = Field(default=None, description="Overrides evolution.add.")
    widen: Wished | None = Field(default=None, description="Overrides evolution.widen.")
    relax: Wished | None = Field(default=None, description="Overrides evolution.relax.")
    label: Wished | None = Field(default=None, description="Overrides evolution.label.")
    rename: Decided | None = Field(default=None, description="Overrides evolution.rename.")
    drop: Wished | None = Field(default=None, description="Overrides evolution.drop.")
    default: Wished | None = Field(default=None, description="Overrides evolution.default.")
    renamed: dict[str, str] = Field(
        default={},
        description="Columns that got another name at the source: the old name and the new one. Rows of older schemas "
        "go into the column with the new name.",
    )


class Table(Section):
    """Policy of one target table."""

    create: bool | None = Field(default=None, description="Overrides target.create for this table.")
    evolution: TableEvolution = Field(
        default=TableEvolution(), description='How it follows its source, as [tables."schema.table".evolution].'
    )
    letters: Literal["copy", "pointer"] = Field(
        default="copy",
        description="Whether letters of this table hold the record, or only where it lies.",
    )
    strict: bool = Field(
        default=False, description="Hold every later change of a row that has an open letter, not only partial ones."
    )
    priority: Literal["critical", "normal", "bulk"] = Field(
        default="normal",
        description="Whose changes go first where a worker holds tables of several priorities. Under pressure bulk "
        "tables are paused first, then normal ones, but for a turn each priorities.turn_every; critical ones go on.",
    )
    mode: Literal["rows", "append", "history", "match"] = Field(
        default="rows",
        description="rows: the table equals the source's. history: each change is a row of its own, with what is known "
        "of it. append: new rows only, for tables without a key that are never updated. match: as rows, for tables "
        "without a key whose source has REPLICA IDENTITY FULL, and a topic of one partition.",
    )
    soft_delete: str | None = Field(
        default=None,
        min_length=1,
        description="Name of a column of the table, none of the source's, that marks deleted rows, which then stay: a "
        "boolean that becomes true, or a time that becomes the delete's. A table that is created gets a timestamptz.",
    )
    truncate: Literal["stop", "ignore", "apply"] = Field(
        default="stop",
        description="What a truncate at the source does: stop the table's partitions until somebody decides, ignore "
        "(the rows stay), or apply, which deletes the rows in its place of the order. apply needs a topic of one "
        "partition or a version_column.",
    )
    columns: dict[str, Column] = Field(
        default={}, description='Policy by column, as [tables."schema.table".columns."name"].'
    )
    include: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="The only columns of the source that the table gets, the key's among them."
    )
    exclude: list[str] = Field(
        default=[], description="Columns of the source that the table does not get. They need not be there."
    )
    constants: dict[str, StrictBool | StrictInt | StrictFloat | StrictStr] = Field(
        default={}, description="Columns that the source does not have, with the value that every row gets."
    )
    transform: str | None = Field(
        default=None,
        min_length=1,
        description="Name of an entry point of the group headrace.transforms: a package's own transform of the rows.",
    )
    checks: dict[str, Check] = Field(
        default={},
        description='What columns have to keep to, by column, as [tables."schema.table".checks].',
    )
    version_column: str | None = Field(
        default=None,
        min_length=1,
        description="Name of a bigint column of the table, none of the source's, that keeps where the last change of a "
        "row stands in the source's log, and keeps out what is older. For PostgreSQL, MySQL and MariaDB.",
    )

    @field_validator("version_column", "soft_delete")
    @classmethod
    def _fits(cls, name: str | None) -> str | None:
        if name is not None and len(name.encode()) > MAX_BYTES:
            raise ValueError(f"the name is longer than PostgreSQL's {MAX_BYTES} bytes")
        return name
