"""A table is sent again by its source as a whole: asked for, and waited for until all of it has arrived.

Debezium does not say here when it has read a table, so rows are watched: some from all over the table, and its last
ones, which it reads at the end. A row has arrived when it was written since. What was written by an ordinary change in
the meantime is no proof, which is why a comparison follows.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from consumer.core.reconcile import Key
from consumer.core.workflow import Outcome, Task, Turn
from consumer.ports.reconcile import NotComparable, Sides

SPREAD, TAIL = 20, 20
"""How many rows are watched: spread over the table, and its last ones."""
_LOOK_EVERY = 1.0

Send = Callable[[str, str], None]
"""Has the connector read a table of the source again; the second word tells this request from others."""


class Rebuilding:
    """Takes turns. `now`: seconds since 1970; `patience`: most seconds without any row that arrives."""

    def __init__(self, sides: Callable[[str], Sides], send: Send, patience: float, now: Callable[[], float]) -> None:
        self._open = sides
        self._send = send
        self._patience = patience
        self._now = now

    def snapshot(self, task: Task) -> Turn:
        """Note some rows as they are, ask the source, wait for them. Raises HeadraceError."""
        table, progress = str(task.subject["table"]), task.progress
        try:
            sides = self._open(table)
            if "watched" not in progress:
                return Turn(progress=_chosen(sides, [tuple(key) for key in progress.get("keys", ())]))
            if progress["sent"] is None:
                # sent once more by who comes after a crash: then it is only read twice
                identity = uuid.uuid5(uuid.NAMESPACE_OID, f"headrace workflow {task.workflow} {task.step}")
                self._send(str(progress["source"]), str(identity))
                return Turn(progress={**progress, "sent": self._now(), "moved": self._now()}, wait=_LOOK_EVERY)
            return self._waited(sides, progress)
        except NotComparable as why:
            return Turn(outcome=Outcome.STOPS, why=str(why), progress=progress)

    def _waited(self, sides: Sides, progress: Mapping[str, Any]) -> Turn:
        left = {tuple(key): version for key, version in progress["watched"]}
        here, there = sides.target.seen(list(left)), sides.source.seen(list(left))
        rest = {
            key: version
            for key, version in left.items()
            # one that is gone at the source is not sent
            if key in there and (key not in here or here[key].version == version)
        }
        moved = self._now() if len(rest) < len(left) else progress["moved"]
        kept = {**progress, "watched": _listed(rest), "moved": moved}
        if not rest:
            return Turn(progress=kept, outcome=Outcome.DONE)
        if self._now() - moved > self._patience:
            why = (
                f"no row has arrived for {self._patience:g} s: see that the connector takes signals "
                "(signal.enabled.channels, signal.kafka.topic) and runs"
            )
            return Turn(progress={**kept, "moved": self._now()}, outcome=Outcome.STOPS, why=why)
        return Turn(progress=kept, wait=_LOOK_EVERY)


def _chosen(sides: Sides, keys: list[Key]) -> dict[str, Any]:
    """One more row to watch, further down the table, which takes as long as a range is; at last how each is known now.

    That is the target's version of it; None where it is not there.
    """
    if len(keys) < SPREAD:
        after = sides.source.bound(keys[-1] if keys else None, max(sides.what.rows // SPREAD, 1))
        if after is not None:
            return {"source": sides.what.source, "keys": [list(key) for key in (*keys, after)]}
    watched = dict.fromkeys([*sides.source.tail(TAIL), *keys])
    here = sides.target.seen(list(watched))
    known = {key: here[key].version if key in here else None for key in watched}
    return {"source": sides.what.source, "watched": _listed(known), "sent": None}


def _listed(watched: Mapping[Key, str | None]) -> list[tuple[list[str], str | None]]:
    return [(list(key), version) for key, version in watched.items()]
