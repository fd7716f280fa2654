"""The topics of a group's letters: the retry topics, numbered by delay, and the dead-letter topic.

Their names are patterns in which `{group}` and `{n}` are filled in.
"""

import re
from dataclasses import dataclass
from string import Formatter

_LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_MOST_TIERS = 99


class BadTopic(ValueError):
    """No topics can have these names; the message says why, without the names."""


def check_retry_pattern(pattern: str) -> None:
    """Raises BadTopic for a pattern that can't name retry topics."""
    if _fields(pattern).count("n") != 1:
        raise BadTopic("the pattern needs {n}, the number of the retry topic, once")
    _check_legal(pattern)


def check_dead_pattern(pattern: str) -> None:
    """Raises BadTopic for a pattern that can't name the dead-letter topic."""
    if "n" in _fields(pattern):
        raise BadTopic("there is one dead-letter topic: {n} has no meaning here")
    _check_legal(pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The topics of one group by their patterns, which have passed the checks. Raises BadTopic."""

    group: str
    retry: str
    dead: str

    def __post_init__(self) -> None:
        for name in (self.retry_topic(_MOST_TIERS), self.dead_topic):
            if not _is_legal(name):
                raise BadTopic(
                    "with the group's name in them they are no legal topic names "
                    "(1 to 249 letters, digits, dots, dashes or underscores)"
                )
        if self.tier(self.dead_topic) is not None:
            raise BadTopic("the dead-letter topic can't be one of the retry topics")

    @property
    def dead_topic(self) -> str:
        """The dead-letter topic."""
        return self.dead.format(group=self.group)

    def retry_topic(self, tier: int) -> str:
        """The retry topic of a tier, from 1."""
        return self.retry.format(group=self.group, n=tier)

    def tier(self, topic: str) -> int | None:
        """The tier of a retry topic; None for any other topic."""
        found = re.match(self._retry_expression, topic)
        return int(found[1]) if found else None

    def is_retry(self, topic: str) -> bool:
        """Whether a topic is a retry topic."""
        return self.tier(topic) is not None

    def holds(self, topic: str) -> bool:
        """Whether a topic is one of the lane's."""
        return topic == self.dead_topic or self.is_retry(topic)

    @property
    def expressions(self) -> tuple[str, ...]:
        """Regular expressions that match the lane's topics and no others."""
        return self._retry_expression, f"^{_literal(self.dead_topic)}$"

    @property
    def _retry_expression(self) -> str:
        before, after = (_literal(half.format(group=self.group)) for half in self.retry.split("{n}"))
        return f"^{before}([0-9]+){after}$"


def _fields(pattern: str) -> list[str]:
    try:
        parts = [part for part in Formatter().parse(pattern) if part[1] is not None]
    except ValueError as error:
        raise BadTopic("the pattern is malformed: braces stand around {group} and {n} only") from error
    if any(name not in ("group", "n") or form or conversion for _, name, form, conversion in parts):
        raise BadTopic("the pattern's fields are {group} and {n}, each alone between its braces")
    return [str(name) for _, name, _, _ in parts]


def _check_legal(pattern: str) -> None:
    if not _is_legal(pattern.format(group="g", n=1)):
        raise BadTopic("a topic's name has 1 to 249 letters, digits, dots, dashes or underscores")


def _is_legal(name: str) -> bool:
    return bool(_LEGAL.fullmatch(name)) and name not in (".", "..")


def _literal(name: str) -> str:
    # of a legal name's characters only the dot means something
    return name.replace(".", r"\.")
