"""Pages, counts and facets of letters: the same letters as a plain look at all of them, in the same order."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlq.letters import Letter, Place, count, facets, page
from dlq.selection import Selection

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STATES = ("dead", "held", "applied")
KINDS = ("record.value", "record.checks")
TABLES = ("s.a", "s.b", None)
_WRITE = """
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy, table_name,
    failed_at, closed_at
) VALUES (%s, %s, 0, %s, %s, %s, 'persistent', 'test', 'test', 'd', 'Look at it.', %s, %s, %s)
"""


@pytest.fixture
def letters(session: psycopg.Connection, group: str) -> list[Letter]:
    """Letters of every state, kind and table, of which some failed at the same time; as a plain look finds them."""
    for number, (state, kind, table, late) in enumerate(product(STATES, KINDS, TABLES, (0, 7, 7))):
        topic = f"t{number % 2}"
        at = BEGIN + timedelta(minutes=number % 5 + late)
        closed = at if state == "applied" else None
        session.execute(_WRITE, (group, topic, number, state, kind, table, at, closed))
    found = page(session, group, Selection(ids=tuple(_ids(session, group))), most=1000)
    assert len(found) == 54
    return sorted(found, key=lambda one: (one.failed_at, one.id), reverse=True)


def _ids(session: psycopg.Connection, group: str) -> list[int]:
    query = "SELECT id FROM headrace.letters WHERE group_name = %s"
    return [row[0] for row in session.execute(query, (group,))]


def meant(letter: Letter, selection: Selection) -> bool:
    """Whether a letter is one of the selection, said without SQL."""
    return (
        (not selection.states or letter.state in selection.states)
        and (not selection.kinds or letter.kind in selection.kinds)
        and (not selection.topics or letter.topic in selection.topics)
        and (not selection.tables or letter.table in selection.tables)
        and (not selection.fingerprints or letter.fingerprint in selection.fingerprints)
        and selection.text.lower() in f"{letter.kind} {letter.remedy}".lower()
        and (selection.failed_since is None or letter.failed_at >= selection.failed_since)
        and (selection.failed_before is None or letter.failed_at < selection.failed_before)
    )


def some(values: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """None, some or all of the values."""
    return st.lists(st.sampled_from(values), unique=True).map(tuple)


times = st.none() | st.integers(0, 12).map(lambda minutes: BEGIN + timedelta(minutes=minutes))
selections = st.builds(
    Selection,
    states=some(STATES),
    kinds=some(KINDS),
    topics=some(("t0", "t1", "nowhere")),
    tables=some(("s.a", "s.b", "s.c")),
    text=st.sampled_from(["", "VALUE", "look", "%"]),
    failed_since=times,
    failed_before=times,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(selections, st.integers(1, 20))
def test_pages_are_the_selection_newest_first(
    session: psycopg.Connection, group: str, letters: list[Letter], selection: Selection, most: int
) -> None:
    """Each letter once, whatever the pages' size, and as many as are counted."""
    found: list[Letter] = []
    after = None
    while part := page(session, group, selection, most=most, after=after):
        assert len(part) <= most
        found += part
        after = Place.of(str(part[-1].place))
    wanted = [one for one in letters if meant(one, selection)]
    assert found == wanted
    assert count(session, group, selection) == len(wanted)


def test_facets_count_what_is_meant(session: psycopg.Connection, group: str, letters: list[Letter]) -> None:
    """Letters of no known table are in no table."""
    selection = Selection(states=("dead", "held"), kinds=("record.value",))
    mine = [one for one in letters if meant(one, selection)]
    assert facets(session, group, selection) == {
        "kind": {"record.value": len(mine)},
        "topic": {topic: sum(one.topic == topic for one in mine) for topic in ("t0", "t1")},
        "state": {state: sum(one.state == state for one in mine) for state in ("dead", "held")},
        "table": {table: sum(one.table == table for one in mine) for table in ("s.a", "s.b")},
    }


def test_letters_of_another_group_are_not_there(session: psycopg.Connection, letters: list[Letter]) -> None:
    """Not by their ids either."""
    assert page(session, "somebody-else", Selection(ids=tuple(one.id for one in letters)), most=9) == []
    assert count(session, "somebody-else", Selection()) == 0
    assert facets(session, "somebody-else", Selection())["state"] == {}


@pytest.mark.parametrize("text", ["", "7", "2026-01-01T00:00:00/7", "2026-01-01T00:00:00+00:00/x", "/"])
def test_what_is_no_place_is_refused(text: str) -> None:
    """A page begins behind a letter that a page has named."""
    with pytest.raises(ValueError, match=r".+"):
        Place.of(text)
