"""Which letters are meant: all that is given has to match, and of several words of one kind any.

What letters of a fingerprint have in common is looked for among groups, of which there are few; letters are then found
by group and state, so that a million of them cost no more than those that are meant.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Letters by what is given; what is left out matches any.

    `found_by`: what a search by values has found, by its job. `text` is looked for in kind, field, code and remedy, in
    any case. `failed_since` is inclusive, `failed_before` not.
    """

    ids: tuple[int, ...] = ()
    found_by: tuple[int, ...] = ()
    fingerprints: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    text: str = ""
    failed_since: datetime | None = None
    failed_before: datetime | None = None

    @property
    def is_single(self) -> bool:
        """Whether letters are named one by one, so that nothing is known of them from their groups."""
        return bool(self.ids or self.found_by)


_GROUPED = {
    "fingerprints": sql.SQL("g.fingerprint = ANY (%(fingerprints)s)"),
    "kinds": sql.SQL("g.kind = ANY (%(kinds)s)"),
    "topics": sql.SQL("g.topic = ANY (%(topics)s)"),
    "text": sql.SQL("concat_ws(' ', g.kind, g.field, g.code, g.remedy) ILIKE %(text)s"),
}
_COUNTED = {
    "states": sql.SQL("t.state = ANY (%(states)s)"),
    "tables": sql.SQL("t.table_name = ANY (%(tables)s)"),
}
_TIMED = {
    "failed_since": sql.SQL("l.failed_at >= %(failed_since)s"),
    "failed_before": sql.SQL("l.failed_at < %(failed_before)s"),
}
_SINGLE = {
    "ids": sql.SQL("l.id = ANY (%(ids)s)"),
    # an array, so that as many letters are looked up as were found
    "found_by": sql.SQL(
        "l.id = ANY (ARRAY(SELECT i.letter_id FROM headrace.job_items i JOIN headrace.jobs j ON j.id = i.job_id"
        " WHERE j.group_name = %(group)s AND i.job_id = ANY (%(found_by)s) AND i.state = 'met'))"
    ),
    "states": sql.SQL("l.state = ANY (%(states)s)"),
    "tables": sql.SQL("l.table_name = ANY (%(tables)s)"),
    **_TIMED,
}


def groups_meant(selection: Selection) -> sql.Composable:
    """A condition on groups `g`; needs `parameters`."""
    return _all(_GROUPED, selection)


def counts_meant(selection: Selection) -> sql.Composable:
    """A condition on groups `g` and their tallies `t`; ids, searches and times say nothing about them.

    Needs `parameters`.
    """
    return _all({**_GROUPED, **_COUNTED}, selection)


def times_meant(selection: Selection) -> sql.Composable:
    """A condition on letters `l`, by their times alone; needs `parameters`."""
    return _all(_TIMED, selection)


def letters_meant(selection: Selection) -> sql.Composable:
    """A condition on letters `l`, those of groups that are meant; needs `parameters`."""
    single = _all(_SINGLE, selection)
    if not _given(_GROUPED, selection):
        return sql.SQL("l.group_name = %(group)s AND {}").format(single)
    return sql.SQL(
        "l.group_name = %(group)s AND {} AND l.fingerprint = ANY (ARRAY("
        "SELECT g.fingerprint FROM headrace.letter_groups g WHERE g.group_name = %(group)s AND {}))"
    ).format(single, groups_meant(selection))


def parameters(group: str, selection: Selection) -> dict[str, object]:
    """What the conditions' names stand for, in the letters of the consumer group."""
    given = {name: getattr(selection, name) for name in (*_GROUPED, *_SINGLE)}
    lists = {name: list(value) for name, value in given.items() if isinstance(value, tuple)}
    return {**given, **lists, "text": f"%{_literal(selection.text)}%", "group": group}


def _given(conditions: dict[str, sql.SQL], selection: Selection) -> list[sql.SQL]:
    return [condition for name, condition in conditions.items() if getattr(selection, name)]


def _all(conditions: dict[str, sql.SQL], selection: Selection) -> sql.Composable:
    return sql.SQL(" AND ").join(_given(conditions, selection) or [sql.SQL("true")])


def _literal(text: str) -> str:
    """The text as LIKE takes it at its word."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
