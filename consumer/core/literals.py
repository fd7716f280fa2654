"""Texts of arrays and rows as PostgreSQL writes them, taken apart."""

import re
from collections.abc import Iterator

from consumer.core.forms import Unfit

_BOUNDS = re.compile(r"\s*(\[[-+:\d\s]*\]\s*)+=")
# a quoted element, one without quotes, or what stands between elements
_TOKEN = re.compile(r'"((?:[^"\\]++|\\.)*)"|([^"\\{},]+)|([{},])', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_QUOTED, _PLAIN = r'"(?:[^"\\]++|\\.|"")*"', r'[^"\\,()]*'
_ROW = re.compile(rf"\((?:{_QUOTED}|{_PLAIN})(?:,(?:{_QUOTED}|{_PLAIN}))*\)", re.DOTALL)
# each with what ends it
_FIELD = re.compile(rf"(?:({_QUOTED})|({_PLAIN}))[,)]", re.DOTALL)
_DOUBLED = re.compile(r'\\(.)|""', re.DOTALL)
_BLANKS = " \t\n\r\v\f"
_REMEDY = "Make the target column text, or have the source write it as PostgreSQL does."


def elements_of(text: str) -> Iterator[str | None]:
    """The elements of all dimensions, one after the other. Raises Unfit for a text that may be read in other ways.

    Whether the brackets are right is PostgreSQL's to judge.
    """
    bounds = _BOUNDS.match(text)
    place, apart = bounds.end() if bounds else 0, True
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise _unread()
        quoted, plain, between = token.groups()
        place = token.end()
        if between is not None or (plain is not None and not plain.strip(_BLANKS)):
            apart = apart or between is not None
            continue
        if not apart:
            raise _unread()
        apart = False
        yield _ESCAPED.sub(r"\1", quoted) if plain is None else _element(plain.strip(_BLANKS))


def fields_of(text: str) -> list[str | None]:
    """The fields of a row. Raises Unfit for a text that may be read in other ways."""
    if not _ROW.fullmatch(text):
        raise Unfit("a row as PostgreSQL writes it", "another text", _REMEDY)
    return [
        _DOUBLED.sub(lambda one: one[1] or '"', quoted[1:-1]) if quoted else plain or None
        for quoted, plain in _FIELD.findall(text, 1)
    ]


def _element(plain: str) -> str | None:
    return None if plain.upper() == "NULL" else plain


def _unread() -> Unfit:
    return Unfit("an array as PostgreSQL writes it", "another text", _REMEDY)
