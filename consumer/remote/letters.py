"""Letters, their jobs and the source of another process: the ports of `dlq.ports`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from consumer.core.failure import Persistent, failed
from consumer.core.jobs import JobKind
from consumer.core.kinds import KINDS
from consumer.core.steering import Steer
from consumer.ports.desk import Note
from consumer.remote.client import Client
from consumer.remote.pages import Listed
from dlq.actions import Done
from dlq.difference import Difference
from dlq.export import Exported
from dlq.groups import Group
from dlq.history import Whole
from dlq.jobs import Item, Job, Order
from dlq.letters import Letter, Place
from dlq.patching import Patch
from dlq.payload import Payload
from dlq.preview import Fate, Preview, Rules, Sample
from dlq.selection import Selection
from dlq.source_again import Wanted
from dlq.value_search import Wanted as ValueSearch

# of a page of a report
_ITEMS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _WholeLetter:
    letter: Whole
    schema_words: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    after: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    changed: tuple[int, ...]
    left: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    counts: dict[Fate, int]
    samples: dict[Fate, tuple[Sample, ...]]
    these: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    job: Job


class RemoteLetters:
    """Implements `dlq.ports.Letters`. Who decided or looked is who the token is of."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def groups(self, selection: Selection, most: int) -> list[Group]:
        return self._client.get(Listed[Group], "/letter-groups", chosen(selection) | {"limit": most}).items

    def page(self, selection: Selection, most: int, after: Place | None = None) -> list[Letter]:
        query = chosen(selection) | {"limit": most, "after": after and str(after)}
        return self._client.get(Listed[Letter], "/letters", query).items

    def whole(self, number: int) -> Whole | None:
        found = self._client.find(_WholeLetter, f"/letters/{number}")
        return found.letter if found else None

    def schema_words(self, number: int) -> list[str]:
        found = self._client.find(_WholeLetter, f"/letters/{number}")
        return found.schema_words if found else []

    def payload(self, number: int, said: Note, *, original: bool = False) -> Payload | None:
        return self._client.find(Payload, f"/letters/{number}/payload", {"original": original})

    def difference(self, number: int, said: Note, *, original: bool = False) -> Difference | None:
        return self._client.find(Difference, f"/letters/{number}/difference", {"original": original})

    def editable(self, number: int, said: Note) -> dict[str, Any]:
        return self._client.get(_Row, f"/letters/{number}/row").after

    def edit(self, number: int, patch: Patch, said: Note, *, dry_run: bool = False) -> tuple[str, ...]:
        body = {"patch": list(patch), "reason": said.reason, "dry_run": dry_run}
        return self._client.do(_Edit, f"/letters/{number}/edit", body).changed

    def replay(self, numbers: Sequence[int], said: Note, *, dry_run: bool = False) -> Done:
        return self._done("/letters/replay", numbers, said, dry_run=dry_run)

    def discard(self, numbers: Sequence[int], said: Note, *, dry_run: bool = False, expect: int | None = None) -> Done:
        # a server of an earlier version knows no such field, and takes none that it does not know
        agreed = {} if expect is None else {"expect": expect}
        return self._done("/letters/discard", numbers, said, dry_run=dry_run, **agreed)

    @contextmanager
    def export(self, selection: Selection, said: Note, *, payloads: bool = False) -> Iterator[Iterator[Exported]]:
        query, body = chosen(selection), {"letters": chosen(selection), "reason": said.reason}
        how: dict[str, Any] = {"body": body} if payloads else {"query": query}
        with self._client.lines("/letter-export", **how) as lines:
            yield map(_exported, lines)

    def _done(self, path: str, numbers: Sequence[int], said: Note, **how: bool | int) -> Done:
        body = {"letters": list(numbers), "reason": said.reason, **how}
        done = self._client.do(_Tried, path, body)
        return Done(done.changed, done.left)


class RemoteJobs:
    """Implements `dlq.ports.LetterJobs`; how often a letter may be sent, the server's settings say."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def ruled(self, kind: JobKind, *, stale: bool = False) -> Rules:
        return Rules(kind=kind, stale=stale)

    def preview(self, selection: Selection, rules: Rules) -> Preview:
        found = self._client.do(_Looked, "/jobs/preview", _meant(selection, rules))
        return Preview(counts=found.counts, samples=found.samples, these=found.these)

    def create(self, order: Order) -> int:
        how = {"expect": order.expect, "these": order.these, "reason": order.said.reason, "rate": order.rate}
        how |= {"canary": order.canary, "stop_ratio": order.stop_ratio}
        return self._client.do(Job, "/jobs", _meant(order.selection, order.rules) | how).id

    def search(self, wanted: ValueSearch) -> int | None:
        where = [
            {"field": one.field, "comparison": one.comparison.value, "value": one.value} for one in wanted.conditions
        ]
        body = {"letters": chosen(wanted.selection), "where": where, "limit": wanted.most}
        found = self._client.change(_Search, "/searches", body | {"reason": wanted.said.reason})
        return found.job.id if found else None

    def jobs(self, most: int) -> list[Job]:
        return self._client.get(Listed[Job], "/jobs", {"limit": most}).items

    def job(self, number: int) -> Job | None:
        return self._client.find(Job, f"/jobs/{number}")

    def decide(self, number: int, decision: Steer, said: Note) -> bool:
        return self._client.change(Job, f"/jobs/{number}/{decision}", {"reason": said.reason}) is not None

    def report(self, number: int, states: Sequence[str] = ()) -> Iterator[Item]:
        query: dict[str, object] = {"state": list(states), "limit": _ITEMS}
        while True:
            found = self._client.get(Listed[Item], f"/jobs/{number}/items", query)
            yield from found.items
            if found.next is None:
                return
            query["after"] = found.next


class RemoteSource:
    """Implements `dlq.ports.SourceQuestions`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def look(self, selection: Selection) -> Wanted:
        return self._client.do(Wanted, "/source/preview", {"letters": chosen(selection)})

    def ask(self, selection: Selection, expect: int, said: Note) -> Wanted:
        body = {"letters": chosen(selection), "expect": expect, "reason": said.reason}
        return self._client.do(Wanted, "/source/ask", body)


def chosen(selection: Selection) -> dict[str, object]:
    """A selection as the API has it, with what is given."""
    given = {
        "id": list(selection.ids),
        "found_by": list(selection.found_by),
        "group": list(selection.fingerprints),
        "state": list(selection.states),
        "kind": list(selection.kinds),
        "topic": list(selection.topics),
        "table": list(selection.tables),
        "text": selection.text,
        "since": selection.failed_since and selection.failed_since.isoformat(),
        "before": selection.failed_before and selection.failed_before.isoformat(),
    }
    return {name: value for name, value in given.items() if value}


def _meant(selection: Selection, rules: Rules) -> dict[str, object]:
    return {"letters": chosen(selection), "kind": rules.kind.value, "stale": rules.stale}


_LETTER, _PAYLOAD = TypeAdapter(Letter), TypeAdapter(Payload)


def _exported(line: bytes) -> Exported:
    """A line of an export, as it was written."""
    try:
        row: Mapping[str, Any] = json.loads(line)
        letter, held = _LETTER.validate_python(row), row.get("payload")
        if held is None or "problem" in held:
            return Exported(letter=letter, problem=held["problem"] if held else "")
        return Exported(letter=letter, payload=_PAYLOAD.validate_python(held))
    except (ValueError, TypeError, AttributeError, ValidationError):
        # words of these hold values
        raise Persistent(failed(KINDS["server.unfit"], "server", "ask", "a line is no letter")) from None
