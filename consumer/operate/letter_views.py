"""How letters look on a terminal."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from consumer.core.wording import ago, clean
from consumer.operate.looks import DIM, STATES, console, facts, listing, narrow, number, said, stacked, states

if TYPE_CHECKING:
    from dlq.difference import Difference
    from dlq.groups import Group as Letters
    from dlq.history import Whole
    from dlq.letters import Letter
    from dlq.payload import Part, Payload


# characters of a value beside another
_LONGEST = 200
_LOGS = {"leaving": "the record leaves it soon", "gone": "the record is gone"}


def show_groups(found: Sequence["Letters"]) -> None:
    """Groups, with what to do about each."""
    screen, now = console(), datetime.now(UTC)
    slim = narrow(screen.width)
    rows: list[list[RenderableType]] = []
    for group in found:
        what = _failure(group.kind, group.field, group.code)
        remedy = said(group.remedy, DIM)
        seen = [said(ago(group.last_seen_at, now)), said(f"since {_day(group.first_seen_at)}", DIM)]
        seen += [said(f"the last: {group.sample}", DIM)] if group.sample else []
        about = [what, said(group.topic), said(group.fingerprint, DIM), *([remedy] if slim else [])]
        cells: list[RenderableType] = [stacked(*states(group.states)), stacked(*about), stacked(*seen)]
        rows.append(cells if slim else [*cells[:2], remedy, cells[2]])
    titles = ["letters", "failure, topic, group", "last seen"]
    screen.print(listing(titles if slim else [*titles[:2], "what to do", titles[2]], rows, wide=1 if slim else 2))


def show_letters(found: Sequence["Letter"]) -> None:
    """Letters, one under the other."""
    screen = console()
    screen.print(_listed(found, screen))


def show_done(changed: Sequence["Letter"], left: Sequence["Letter"], what: str, dry_run: bool) -> None:
    """What became of letters that somebody decided about."""
    screen = console()
    for letters, words in ((changed, f"would be {what}" if dry_run else what), (left, f"not {what}")):
        if letters:
            screen.print(Text(f"{len(letters)} {words}", style="bold"))
            screen.print(_listed(letters, screen))


@dataclass(frozen=True, slots=True)
class Beside:
    """What is shown beside a letter: what it holds, what it would do, how its schema differs."""

    held: "Payload | None"
    weighed: "Difference | None"
    schema: Sequence[str]


def show_whole(found: "Whole", beside: Beside, brokers: str) -> None:
    """One letter in full."""
    screen, letter = console(), found.letter
    screen.print(
        Text.assemble(("letter ", DIM), (str(letter.id), "bold"), "  ", (letter.state, STATES.get(letter.state, "")))
    )
    _section(screen, "why", _why(found))
    _section(screen, "where", _where(found))
    _section(screen, "history", _history(found))
    for title, letters in (("in front of it, of its row", found.older), ("waiting behind it", found.followers)):
        if letters:
            _section(screen, title, _listed(letters, screen))
    if beside.schema:
        _section(screen, "its schema", stacked(*map(said, beside.schema)))
    if beside.weighed is not None:
        title = f"what it would do to {beside.weighed.table or 'its table'}"
        _section(screen, title, _difference(beside.weighed))
    if beside.held is not None:
        _show_payload(screen, beside.held)
    screen.print(Text("\nthe same record with kcat", style=f"bold {DIM}"))
    # in one piece, to be copied
    screen.print(said(kcat(letter, brokers)), soft_wrap=True)


def show_differences(found: Mapping[int, "Difference"]) -> None:
    """What letters would do to their rows, one under the other."""
    screen = console()
    for letter, weighed in found.items():
        title = f"letter {letter}: what it would do to {weighed.table or 'its table'}"
        _section(screen, title, _difference(weighed))


def show_row(row: Mapping[str, Any]) -> None:
    """A row as it can be changed, as JSON by column."""
    console().print(facts([(clean(name), json.dumps(value, ensure_ascii=False)) for name, value in row.items()]))


def show_edit(letter: int, columns: Sequence[str], dry_run: bool) -> None:
    """What an edit changed."""
    said_of = ", ".join(columns) or "nothing"
    console().print(facts([("letter", str(letter)), ("would be changed" if dry_run else "changed", said_of)]))


def kcat(letter: "Letter", brokers: str) -> str:
    """The command by which kcat shows a letter's record, without what it needs to log in."""
    words = ["kcat", "-C", "-b", brokers, "-t", letter.topic, "-p", str(letter.partition), "-o", str(letter.offset)]
    return shlex.join([*words, "-c", "1", "-e", "-f", "%k\\n%h\\n%s\\n"])


def _listed(found: Sequence["Letter"], screen: Console) -> RenderableType:
    now = datetime.now(UTC)
    slim = narrow(screen.width)
    rows: list[list[RenderableType]] = []
    for letter in found:
        state = said(letter.state, STATES.get(letter.state, ""))
        what = _failure(letter.kind, letter.field, letter.code)
        whose = f", of {letter.imported}" if letter.imported else ""
        origin = said(f"{letter.topic} {letter.partition}/{letter.offset}{whose}", DIM)
        table = said(letter.table or "row not known", "" if letter.table else DIM)
        failed = said(ago(letter.failed_at, now))
        tries = said(letter.tries, DIM)
        if slim:
            rows.append([said(letter.id, "bold"), state, stacked(what, table, origin), failed])
        else:
            rows.append([said(letter.id, "bold"), state, what, stacked(table, origin), failed, tries])
    if slim:
        return listing(["letter", "state", "failure, table, record", "failed"], rows, wide=2)
    return listing(["letter", "state", "failure", "table, record", "failed", "tries"], rows, wide=3)


def _failure(kind: str, field: str, code: str) -> Text:
    text = said(kind, "bold")
    for part in (field, code):
        if part:
            text.append(f"  {clean(part)}")
    return text


def _why(found: "Whole") -> RenderableType:
    letter = found.letter
    return facts(
        [
            ("kind", _failure(letter.kind, letter.field, letter.code)),
            ("what", letter.detail),
            ("to do", said(letter.remedy, "bold")),
            ("stage", f"{letter.component}, {letter.operation} ({letter.error_type})"),
            ("group", letter.fingerprint),
            ("runbook", f"docs/runbooks/{letter.kind}.md"),
        ]
    )


def _where(found: "Whole") -> RenderableType:
    letter, kept = found.letter, found.kept
    bytes_ = "kept here" if kept is not None else "not kept here: the letter points to its record"
    if kept is not None:
        bytes_ = f"{bytes_}: key {_size(kept.key)}, value {_size(kept.value)}"
    return facts(
        [
            ("record", f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"),
            ("table", letter.table or "not known"),
            ("row", "known" if found.placed else "not known: later changes of it do not see this letter"),
            ("bytes", bytes_),
            ("trace", found.trace),
            ("its log", _LOGS.get(found.origin_log or "")),
            ("found in", None if found.found is None else "{}, partition {}, offset {}".format(*found.found)),
            ("copy", None if found.copy is None else "{}, partition {}, offset {}".format(*found.copy)),
        ]
    )


def _history(found: "Whole") -> RenderableType:
    letter = found.letter
    events: list[tuple[datetime, str]] = [(letter.first_failed_at, "failed for the first time")]
    for failed in found.failures:
        times = f"{failed.times} times" if failed.times > 1 else "once"
        events.append((failed.last_at, f"{' '.join(filter(None, (failed.kind, failed.field, failed.code)))}, {times}"))
    events += [(edited.at, f"{edited.who} changed {', '.join(edited.columns) or 'nothing'}") for edited in found.edits]
    for one in found.decisions:
        events.append((one.happened_at, f"{one.actor}: {one.action}" + (f" ({one.reason})" if one.reason else "")))
    events.append((letter.failed_at, f"failed last, try {letter.tries}: {letter.kind}"))
    if found.search_until is not None and found.searched is not None:
        events.append((letter.failed_at, f"searched for later changes up to {found.searched} of {found.search_until}"))
    if letter.due_at is not None:
        events.append((letter.due_at, "is tried again"))
    if letter.closed_at is not None:
        events.append((letter.closed_at, f"{letter.state}: {letter.reason or ''}"))
    told = [(_second(at), text) for at, text in sorted(events, key=lambda event: event[0])]
    # when, is not kept
    told += [("then", f"not tried: {letter.reason}")] if letter.left_alone else []
    return facts(told)


def _difference(weighed: "Difference") -> RenderableType:
    if weighed.refused is not None:
        return facts([("refused", weighed.refused.detail), ("to do", said(weighed.refused.remedy, "bold"))])
    effect = [said(weighed.effect, "bold")] if weighed.effect else []
    effect += [said(weighed.why, DIM)] if weighed.why else []
    if weighed.kept_out:
        effect.append(said("the row is newer, so the letter is superseded", "yellow"))
    if not weighed.cells:
        return stacked(*effect)
    rows = [
        [
            said(cell.column, "bold" if cell.changed else DIM),
            _text(cell.now),
            _text(cell.then, "yellow" if cell.changed else DIM),
        ]
        for cell in weighed.cells
    ]
    return Group(*effect, listing(["column", "now", "then"], rows, wide=2, apart=False))


def _text(text: str | None, style: str = "") -> Text:
    """A value as PostgreSQL writes it, no longer than a line or two."""
    return said("null", DIM) if text is None else said(text[:_LONGEST] + ("…" if len(text) > _LONGEST else ""), style)


def _show_payload(screen: Console, held: "Payload") -> None:
    _section(screen, f"key ({held.found})", _part(held.key))
    _section(screen, f"value ({held.found})", _part(held.value))
    if held.headers:
        _section(screen, "headers", facts([(clean(name), value or "null") for name, value in held.headers]))


def _part(part: "Part") -> RenderableType:
    schema = f", schema {part.schema_id}" if part.schema_id else ""
    lines: list[Text] = [said(f"{_size(part.size)}{schema}", DIM)]
    if part.problem:
        where = f"{part.field}: " if part.field else ""
        lines.append(said(f"{where}{part.problem}", "bold red"))
    if part.values is not None:
        text = json.dumps(part.values, indent=2, ensure_ascii=False, default=str)
        lines += [said(line) for line in text.split("\n")]
    elif part.hexadecimal:
        lines.append(said(part.hexadecimal))
    return stacked(*lines)


def _section(screen: Console, title: str, content: RenderableType) -> None:
    screen.print()
    screen.print(Text(clean(title), style=f"bold {DIM}"))
    screen.print(Padding(content, (0, 0, 0, 2)))


def _size(size: int | None) -> str:
    return "none" if size is None else f"{number(size)} bytes"


def _day(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M")


def _second(at: Any) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if isinstance(at, datetime) else str(at)
