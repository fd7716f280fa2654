"""The runbooks: one page for each kind of failure and for each alert, written by people, and no page without one.

What an alert means for the data stands in its rule; its page repeats that, which the generator sees to.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from consumer.alerts.alert import Alert
from consumer.alerts.rules import ALERTS
from consumer.core.kinds import KINDS
from consumer.core.lane import Lane
from consumer.settings.letters import Letters

# what a page has at least, in this order, below what happened
SECTIONS = ("## How it shows", "## Put it right", "## Check")
ALERT_SECTIONS = ("## Meaning", "## Effect on the data", "## First look", "## Put it right", "## Over when")
GROUP = "shop-replica"
"""The group of all examples."""

_WIDTH = 120
_TOPIC = re.compile(rf"`({GROUP}\.[\w.-]+)`")


def runbook_complaints(root: Path) -> list[str]:
    """Every kind or alert without its page, page without one, page that lacks a part, and topic that is none."""
    wanted: Mapping[Path, tuple[str, tuple[str, ...]]] = {
        **{root / kind.page: (f"the kind {name}", SECTIONS) for name, kind in KINDS.items()},
        **{root / alert.page: (f"the alert {alert.name}", ALERT_SECTIONS) for alert in ALERTS},
    }
    there = set(next(iter(wanted)).parent.glob("*.md"))
    missing = [f"{path.relative_to(root)}: {wanted[path][0]} has no page" for path in sorted(wanted.keys() - there)]
    surplus = [f"{path.relative_to(root)}: there is no such kind or alert" for path in sorted(there - wanted.keys())]
    lacking = [
        f"{path.relative_to(root)}: {line}"
        for path in sorted(there & wanted.keys())
        for line in _lacking(path, wanted[path][1])
    ]
    return missing + surplus + lacking


def alert_runbook(root: Path, alert: Alert) -> str:
    """The page as it is, with the rule's own words in their section."""
    path = root / alert.page
    text = path.read_text(encoding="utf-8") if path.exists() else "\n\n".join([f"# `{alert.name}`", *ALERT_SECTIONS])
    before, heading, after = text.partition(ALERT_SECTIONS[1])
    rest = after[after.find("\n## ") :]
    return f"{before}{heading}\n\n{_effect(alert)}\n{rest}"


def _effect(alert: Alert) -> str:
    where = (
        f"Severity {alert.severity}; dashboard `{alert.board}`; "
        f"[condition and thresholds](../reference/alerts.md#{alert.name.lower()})."
    )
    return "\n\n".join(textwrap.fill(part, _WIDTH, break_on_hyphens=False) for part in (alert.meaning, where))


def _lacking(path: Path, sections: tuple[str, ...]) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if lines[:1] != [f"# `{path.stem}`"]:
        yield "its title is not its name"
    if tuple(line for line in lines if line.startswith("## ")) != sections:
        yield f"its sections are not {', '.join(sections)}"
    topics = Letters()
    lane = Lane(group=GROUP, retry=topics.retry_topic, dead=topics.dead_topic)
    yield from (f"{topic} is no topic of letters" for topic in _TOPIC.findall(text) if not _is_of(lane, topic, topics))


def _is_of(lane: Lane, topic: str, letters: Letters) -> bool:
    """Whether the topic is there with the default settings."""
    tier = lane.tier(topic)
    return topic == lane.dead_topic or (tier is not None and 1 <= tier <= len(letters.delays))
