"""The page of checks, from `consumer.core.doctor.catalogue`."""

from itertools import groupby

from consumer.core.doctor.catalogue import CHECKS, TITLES
from tools.pages.markdown import code, page, table

_INTRO = """\
What `headrace doctor` looks at ([how to](../how-to/examine-with-doctor.md)), in the order of its report. A check that
finds nothing wrong is one line, `ok`; otherwise there is a line for each topic, table or server, twenty at most. What
can't be looked at is `skipped`, with the reason: a server that does not answer, rights that are not told, nothing there
yet."""


def doctor_page() -> str:
    """The page."""
    sections = [
        f"## {TITLES[area]}\n\n"
        + table(["check", "what is looked at", "what is bad"], [[code(one.name), one.asks, one.bad] for one in of])
        for area, of in groupby(CHECKS, lambda one: one.area)
    ]
    return page("Checks of the doctor", _INTRO, *sections)
