"""What of a page of results outlives a report: people's words, and sections that were not measured anew. Pure."""

import re
from dataclasses import dataclass

MARK = "<!-- By hand, up to the next heading: each report keeps it. -->"
_SECTION = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_VERSION = re.compile(r"^Headrace is `([^`]+)` here", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Before:
    """A page as it is. `version`: of the engine that it is about, empty where there was none."""

    version: str
    made: dict[str, str]
    remarks: dict[str, str]


def read(page: str) -> Before:
    """What a page has, by section."""
    found = {title: text.partition(MARK) for title, text in _SECTION.findall(page)}
    version = _VERSION.search(page)
    return Before(
        version[1] if version else "",
        {title: made.strip() for title, (made, _, _) in found.items()},
        {title: text.strip() for title, (_, _, text) in found.items() if text.strip()},
    )


def section(title: str, made: str, before: Before) -> str:
    """A section of what was made, with the place for people's words and those that were there."""
    written = before.remarks.get(title, "")
    return f"## {title}\n\n{made.rstrip()}\n\n{MARK}\n" + (f"\n{written}\n" if written else "")
