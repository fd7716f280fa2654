"""Doctor: everything looked at, what is wrong first."""

from itertools import groupby

from fastapi import Request, Response

from consumer.admin.asking import Examined
from consumer.admin.console.forms import pages
from consumer.admin.console.rendering import render
from consumer.admin.roles import needs
from consumer.core.doctor.catalogue import TITLES
from consumer.core.doctor.finding import Level
from consumer.core.roles import Role

routes = pages()

_BAD = (Level.FAIL, Level.WARN)


@routes.get("/doctor")
@needs(Role.VIEWER)
def doctor(request: Request, checkup: Examined) -> Response:
    """The page; it examines when it is loaded."""
    report = checkup.report()
    bad = sorted((one for one in report.findings if one.level in _BAD), key=lambda one: _BAD.index(one.level))
    areas = [(TITLES[area], list(of)) for area, of in groupby(report.findings, lambda one: one.area)]
    counts = {level: report.count(level) for level in Level}
    return render(
        request, "doctor.html", report=report, bad=bad, areas=areas, counts=counts, sentence=_sentence(counts)
    )


def _sentence(counts: dict[Level, int]) -> str:
    failed, warned = counts[Level.FAIL], counts[Level.WARN]
    if failed:
        return f"{failed} check{'s' if failed > 1 else ''} failed"
    if warned:
        return f"Nothing failed, {warned} thing{'s' if warned > 1 else ''} to look at"
    return "Everything that was looked at is as it should be"
