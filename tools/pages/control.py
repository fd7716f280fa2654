"""The control schema page, from the migrations' SQL.

Only the statements that the migrations use are understood; another one fails loudly, so that the page can't
leave it out in silence.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from consumer.edges.postgres.migrate import migrations
from tools.pages.markdown import code, page, table

_INTRO = """\
Everything that Headrace remembers stands in the schema `headrace` of the target database, beside the tables that it
writes. It is made by numbered SQL files at the first start; `headrace.migrations` notes which were applied. A worker
refuses a schema that is newer than itself. These tables may be read at any time; of them only
[a position](../how-to/set-a-position.md) is meant to be changed by hand."""

_CREATE_TABLE = re.compile(r"CREATE TABLE headrace\.(\w+) \(\n(.*?)\n\)(.*)$", re.DOTALL)
_CREATE_TYPE = re.compile(r"CREATE TYPE headrace\.(\w+) AS ")
_CREATE_FUNCTION = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION headrace\.(\w+)\((.*?)\)\s+RETURNS ", re.DOTALL)
_COMMENT_FUNCTION = re.compile(r"COMMENT ON FUNCTION headrace\.(\w+) IS\s+'(.*)'$", re.DOTALL)
_CREATE_VIEW = re.compile(r"CREATE (?:OR REPLACE )?VIEW headrace\.(\w+) AS\s")
_COMMENT_VIEW = re.compile(r"COMMENT ON VIEW headrace\.(\w+) IS\s+'(.*)'$", re.DOTALL)
_COMMENT = re.compile(r"COMMENT ON (TABLE|COLUMN) headrace\.(\w+)(?:\.(\w+))? IS\s+'(.*)'$", re.DOTALL)
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (\w+) ON headrace\.(\w+) (.*)$", re.DOTALL)
_DROP_INDEX = re.compile(r"DROP INDEX headrace\.(\w+)$")
_TRIGGER = re.compile(
    r"CREATE TRIGGER \w+ (AFTER|BEFORE) (.*?) ON headrace\.(\w+)(.*) FUNCTION headrace\.(\w+)\(", re.DOTALL
)
_REPLICA_IDENTITY = re.compile(r"ALTER TABLE headrace\.(\w+) (REPLICA IDENTITY \w+)$")
_DROP_NOT_NULL = re.compile(r"ALTER TABLE headrace\.(\w+) ALTER COLUMN (\w+) DROP NOT NULL$")
_ALWAYS = re.compile(r"ALTER TABLE headrace\.\w+ ENABLE ALWAYS TRIGGER \w+$")
# by the name that PostgreSQL gives a column's check
_NEW_CHECK = re.compile(
    r"ALTER TABLE headrace\.(\w+)\s+DROP CONSTRAINT \1_(\w+)_check,\s+ADD CONSTRAINT \1_\2_check (CHECK \(.*\))\Z", re.S
)
_ADD_COLUMN = re.compile(r"ALTER TABLE headrace\.(\w+) ADD COLUMN (.*)$", re.DOTALL)
_CONSTRAINTS = ("PRIMARY KEY", "UNIQUE", "CHECK", "FOREIGN KEY", "CONSTRAINT")
_PIECE = re.compile(r"((?s:\$\$.*?\$\$))|('(?:[^']|'')*')|(--[^\n]*)|(\()|(\))|(,)|(;)|([^'\-(),;$]+|[-$])")


class Unknown(ValueError):
    """A statement of a migration that this page does not know how to show."""


@dataclass(slots=True)
class Column:
    """A column as it is written."""

    name: str
    definition: str
    meaning: str = ""


@dataclass(slots=True)
class Table:
    """A table as the migrations leave it."""

    name: str
    meaning: str = ""
    columns: list[Column] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Function:
    """A function as it is written."""

    name: str
    arguments: str
    meaning: str = ""


def control_schema_page() -> str:
    """The page."""
    tables: dict[str, Table] = {}
    functions: dict[str, Function] = {}
    views: dict[str, str] = {}
    for _, text in migrations():
        for statement in _split(text, ";"):
            bare = re.sub(r"--[^\n]*", "", statement).strip()
            if not _understand_function(bare, functions) and not _understand_view(bare, views):
                _understand(statement, bare, tables)
    shown = [_shown(each) for each in tables.values()]
    return page("Control schema", _INTRO, *shown, _shown_views(views), _shown_functions(functions.values()))


def _understand_function(bare: str, functions: dict[str, Function]) -> bool:
    """Whether the statement is about functions; their types are theirs alone."""
    if found := _CREATE_FUNCTION.match(bare):
        functions.setdefault(found[1], Function(found[1], _flat(found[2])))
    elif found := _COMMENT_FUNCTION.match(bare):
        functions[found[1]].meaning = found[2].replace("''", "'")
    else:
        return _CREATE_TYPE.match(bare) is not None
    return True


def _understand_view(bare: str, views: dict[str, str]) -> bool:
    if found := _CREATE_VIEW.match(bare):
        # a new text keeps what was said of it
        views.setdefault(found[1], "")
    elif found := _COMMENT_VIEW.match(bare):
        views[found[1]] = found[2].replace("''", "'")
    else:
        return False
    return True


def _understand(statement: str, bare: str, tables: dict[str, Table]) -> None:
    # how an index is stored is not what it holds, what was there before is not what tables are, and in which sessions
    # triggers fire is no rule of the table's
    passed = ("CREATE SCHEMA", "ALTER INDEX", "REINDEX", "INSERT", "DELETE FROM", "UPDATE")
    if not bare or bare.startswith(passed) or _ALWAYS.match(bare):
        return
    if found := _CREATE_TABLE.match(re.sub(r"\A(\s*--[^\n]*\n)*", "", statement).strip()):
        tables[found[1]] = _table(found[1], found[2])
    elif found := _COMMENT.match(bare):
        _explain(tables[found[2]], found[3], found[4].replace("''", "'"))
    elif found := _INDEX.match(bare):
        tables[found[2]].indexes[found[1]] = "INDEX " + _flat(found[3])
    elif found := _DROP_INDEX.match(bare):
        for each in tables.values():
            each.indexes.pop(found[1], None)
    elif found := _TRIGGER.match(bare):
        tables[found[3]].rules.append(f"TRIGGER {found[1]} {_flat(found[2])}: {found[5]}")
    elif found := _REPLICA_IDENTITY.match(bare):
        tables[found[1]].rules.append(found[2])
    elif not _altered(bare, tables):
        raise Unknown(f"tools/pages/control.py does not know how to show: {_flat(bare)}")


def _altered(bare: str, tables: dict[str, Table]) -> bool:
    """Whether the statement changes columns in a way that is known."""
    if found := _DROP_NOT_NULL.match(bare):
        _may_be_null(tables[found[1]], found[2])
    elif found := _ADD_COLUMN.match(bare):
        tables[found[1]].columns.append(_column(found[2], ""))
    elif found := _NEW_CHECK.match(bare):
        _check_anew(tables[found[1]], found[2], found[3])
    else:
        return False
    return True


def _table(name: str, body: str) -> Table:
    made = Table(name)
    for part in _split(body, ","):
        remarks = " ".join(remark.strip("- ") for remark in re.findall(r"--[^\n]*", part))
        bare = _flat(re.sub(r"--[^\n]*", "", part))
        if bare.startswith(_CONSTRAINTS):
            made.rules.append(bare)
        else:
            made.columns.append(_column(bare, remarks))
    return made


def _column(definition: str, remarks: str) -> Column:
    name, _, rest = _flat(definition).partition(" ")
    meaning = remarks[:1].upper() + remarks[1:] + "." if remarks else ""
    return Column(name, rest, meaning)


def _may_be_null(table_: Table, column: str) -> None:
    for each in table_.columns:
        if each.name == column:
            each.definition = each.definition.replace(" NOT NULL", "")


def _check_anew(table_: Table, column: str, check: str) -> None:
    for each in table_.columns:
        if each.name == column:
            each.definition = each.definition[: each.definition.index("CHECK (")] + _flat(check)


def _explain(table_: Table, column: str | None, text: str) -> None:
    if column is None:
        table_.meaning = text
    for each in table_.columns:
        if each.name == column:
            each.meaning = text


def _split(text: str, separator: str) -> list[str]:
    """Cut at a separator that stands outside quotes, comments and parentheses."""
    parts, depth = [""], 0
    for piece in _PIECE.finditer(text):
        word = piece.group()
        depth += (word == "(") - (word == ")")
        if word == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += word
    return [part for part in parts if part.strip()]


def _flat(text: str) -> str:
    return " ".join(text.split())


def _shown(each: Table) -> str:
    rows = [(code(column.name), code(column.definition), column.meaning) for column in each.columns]
    parts = [f"## `headrace.{each.name}`", each.meaning, table(("column", "definition", "meaning"), rows)]
    parts += ["\n".join(f"- {code(rule)}" for rule in (*each.rules, *each.indexes.values()))]
    return "\n\n".join(part for part in parts if part)


def _shown_views(views: Mapping[str, str]) -> str:
    return "## Views\n\n" + table(("view", "meaning"), [(code(name), said) for name, said in views.items()])


def _shown_functions(functions: Iterable[Function]) -> str:
    rows = [(code(each.name), code(each.arguments), each.meaning) for each in functions]
    return "## Functions\n\n" + table(("function", "arguments", "meaning"), rows)
