"""What became of a letter, in the order of time."""

from dataclasses import dataclass
from datetime import datetime

from dlq.history import Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. `who`: a person, if one did it; `note`: what they said, or what it was about."""

    at: datetime
    what: str
    who: str = ""
    note: str = ""


def history(whole: Whole) -> list[Event]:
    """The events, oldest first."""
    letter = whole.letter
    found = [Event(at=letter.first_failed_at, what="Failed for the first time")]
    for failed in whole.failures:
        times = f"{failed.times} times" if failed.times > 1 else "once"
        about = " ".join(filter(None, (failed.kind, failed.field, failed.code)))
        found.append(Event(at=failed.last_at, what=f"Failed {times} with {about}", note=failed.detail))
    for edited in whole.edits:
        found.append(Event(at=edited.at, what=f"Changed {', '.join(edited.columns) or 'nothing'}", who=edited.who))
    for decided in whole.decisions:
        what = decided.action[:1].upper() + decided.action[1:]
        found.append(Event(at=decided.happened_at, what=what, who=decided.actor, note=decided.reason))
    if letter.failed_at != letter.first_failed_at:
        what = f"Failed last, at try {letter.tries}, with {letter.kind}"
        found.append(Event(at=letter.failed_at, what=what))
    if letter.due_at is not None:
        found.append(Event(at=letter.due_at, what="Is tried again"))
    if letter.closed_at is not None:
        what = letter.state[:1].upper() + letter.state[1:]
        found.append(Event(at=letter.closed_at, what=what, note=letter.reason or ""))
    return sorted(found, key=lambda event: event.at)
