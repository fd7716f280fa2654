"""A case of an alert: series, and whether it fires by them. Times and steps of values are minutes.

Series are of a process that is always scraped, but for those that name another instance. Where scrapes of it failed,
`scraped` has the values of what it always tells.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Fires:
    """At this minute, with these labels and this summary."""

    series: dict[str, str]
    at: int
    summary: str
    labels: dict[str, str] = field(default_factory=dict)
    scraped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """Not at this minute."""

    why: str
    series: dict[str, str]
    at: int
    scraped: str = ""


Case = Fires | Calm
