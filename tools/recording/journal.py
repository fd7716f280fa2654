"""What happens at the source, step by step, and what the server itself says of each row before and after."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tools.recording.columns import Column, Table
from tools.recording.server import Server

Cell = tuple[str | None, str | None]
"""A value as text and as the hexadecimal form of its bytes; no text where it has none."""
Row = dict[str, Cell | None]

_MARK = "#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change that Debezium is to report. `modes` are the captures that see it; all where none is named."""

    table: str
    op: str
    before: Row | None = None
    after: Row | None = None
    modes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A statement and the `id` of the row that it is about, before and after; None where there is no such row."""

    table: Table
    statement: str
    old: int | None = None
    new: int | None = None


def insert(table: Table, number: int, values: dict[str, str]) -> Step:
    """A new row."""
    row = {"id": str(number)} | values
    names = ", ".join(f"`{name}`" for name in row)
    return Step(
        table=table, statement=f"INSERT INTO `{table.name}` ({names}) VALUES ({', '.join(row.values())})", new=number
    )


def update(table: Table, number: int, values: dict[str, str], new: int | None = None) -> Step:
    """Other values in a row; `new` is its new `id`, when that changes."""
    changed = values if new is None else {"id": str(new)} | values
    pairs = ", ".join(f"`{name}` = {value}" for name, value in changed.items())
    statement = f"UPDATE `{table.name}` SET {pairs} WHERE `id` = {number}"
    return Step(table=table, statement=statement, old=number, new=new or number)


def delete(table: Table, number: int) -> Step:
    """A row that goes."""
    return Step(table=table, statement=f"DELETE FROM `{table.name}` WHERE `id` = {number}", old=number)


@dataclass(slots=True)
class Journal:
    """All changes so far, in the order of the log."""

    server: Server
    changes: list[Change] = field(default_factory=list)

    def transaction(self, steps: Sequence[Step]) -> None:
        """Runs steps in one transaction, and notes what each changed."""
        parts = ["BEGIN"]
        for step in steps:
            parts += [_select(step.table, step.old), step.statement, _select(step.table, step.new)]
        answers = _answers(self.server.execute(";\n".join([*parts, "COMMIT"])))
        for place, step in enumerate(steps):
            before, after = answers[2 * place], answers[2 * place + 1]
            self._note(step, _row(step.table, before), _row(step.table, after))

    def each(self, steps: Sequence[Step]) -> None:
        """Runs steps, each in a transaction of its own."""
        for step in steps:
            self.transaction([step])

    def truncate(self, table: Table) -> None:
        """Empties a table at once."""
        self.server.execute(f"TRUNCATE TABLE `{table.name}`")
        self.changes.append(Change(table=table.name, op="t"))

    def read_again(self, table: Table, modes: tuple[str, ...]) -> None:
        """Notes that all rows of a table are to be read once more."""
        for (number,) in self.server.execute(f"SELECT `id` FROM `{table.name}` ORDER BY `id`"):
            (found,) = _answers(self.server.execute(_select(table, int(number))))
            self.changes.append(Change(table=table.name, op="r", after=_row(table, found), modes=modes))

    def snapshot(self) -> None:
        """What was noted until now is what a snapshot reads."""
        self.changes = [Change(table=each.table, op="r", after=each.after) for each in self.changes]

    def _note(self, step: Step, before: Row | None, after: Row | None) -> None:
        if (before is None) != (step.old is None) or (after is None) != (step.new is None):
            raise SystemExit(f"a step did not do what it says: {step.statement}")
        if before and after and all(before[name] == after[name] for name in step.table.keys):
            self.changes.append(Change(table=step.table.name, op="u", before=before, after=after))
            return
        if before:
            self.changes.append(Change(table=step.table.name, op="d", before=before))
        if after:
            self.changes.append(Change(table=step.table.name, op="c", after=after))


def _select(table: Table, number: int | None) -> str:
    spelled = ", ".join(_spelled(each) for each in table.columns)
    where = "FALSE" if number is None else f"`id` = {number}"
    return f"SELECT '{_MARK}';\nSELECT {spelled} FROM `{table.name}` WHERE {where}"


def _spelled(column: Column) -> str:
    name = f"`{column.name}`"
    text, raw = column.text.format(name), column.raw.format(name)
    return f"{name} IS NULL, HEX(CONVERT({text} USING utf8mb4)), HEX({raw})"


def _answers(lines: Sequence[Sequence[str]]) -> list[list[str] | None]:
    """The row behind each mark, if there is one."""
    found: list[list[str] | None] = []
    for line in lines:
        if list(line) == [_MARK]:
            found.append(None)
        else:
            found[-1] = list(line)
    return found


def _row(table: Table, answer: list[str] | None) -> Row | None:
    if answer is None:
        return None
    parts = zip(answer[::3], answer[1::3], answer[2::3], strict=True)
    return {
        column.name: None if is_null == "1" else (None if text == "NULL" else bytes.fromhex(text).decode(), raw)
        for column, (is_null, text, raw) in zip(table.columns, parts, strict=True)
    }
