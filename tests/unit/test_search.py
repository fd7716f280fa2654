"""How a search for later changes of a letter's row ends, and what is read for which letters at once."""

from dataclasses import replace

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.search import Doubt, Ending, Search, next_stretch, seen
from tests.unit.avro import framed
from tests.unit.known import Topic, planner, slice_of

AT = TopicPartition("shop.public.orders", 3)
UNTIL = 50
FIELDS = [{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}]


def search(number: int = 1, searched: int = 10, until: int = UNTIL, doubt: Doubt | None = None) -> Search:
    """That of the record right before, if nothing is searched yet."""
    return Search(id=number, attempt=2, origin=RecordRef(AT, searched - 1), searched=searched, until=until, doubt=doubt)


@pytest.mark.parametrize(
    ("met", "for_all", "before", "upto", "ending"),
    [
        ((), None, None, UNTIL - 1, None),
        ((), None, None, UNTIL, Ending.CLEAR),
        ((None,), None, None, 20, Ending.SUPERSEDED),
        # whatever is in doubt, all columns are written by a later one
        ((Doubt.PARTIAL, None), Doubt.UNREAD, Doubt.COMPACTED, UNTIL, Ending.SUPERSEDED),
        # a full image may follow
        ((Doubt.PARTIAL,), None, None, UNTIL - 1, None),
        ((Doubt.PARTIAL,), None, None, UNTIL, Ending.REFUSED),
        ((), Doubt.UNREAD, None, UNTIL, Ending.REFUSED),
        ((), None, Doubt.COMPACTED, UNTIL, Ending.REFUSED),
    ],
)
def test_how_a_search_ends(
    met: tuple[Doubt | None, ...], for_all: Doubt | None, before: Doubt | None, upto: int, ending: Ending | None
) -> None:
    """A later full image or delete decides at once, everything else at the end."""
    assert search(doubt=before).ending(met, for_all, upto) is ending


@pytest.mark.parametrize(
    ("met", "upto", "ending"),
    [((), UNTIL - 1, None), ((), UNTIL, Ending.REFUSED), ((None,), 20, Ending.SUPERSEDED)],
)
def test_in_a_topic_that_has_grown_only_a_later_change_decides(
    met: tuple[Doubt | None, ...], upto: int, ending: Ending | None
) -> None:
    """Others may stand in other partitions; that is no doubt that is kept, since it is asked for each time."""
    one = replace(search(), spread=True)

    assert one.ending(met, None, upto) is ending
    assert "more partitions" in one.refused_for(None).detail
    assert one.doubts(met, None) is None


def test_what_has_nothing_behind_it_is_looked_at_alone() -> None:
    """Nothing is to be read for it."""
    lone = Search(id=7, attempt=2, origin=RecordRef(AT, 30), searched=30, until=31)
    stretch = next_stretch([search(), lone])

    assert (stretch.searches, stretch.claimed, stretch.end) == ((lone,), (1, 7), 31)
    assert not stretch.reads
    assert next_stretch([search()]).reads


def test_a_doubt_says_why() -> None:
    """Each reason is another one, and names the letter's record."""
    said = {search().refused_for(doubt).detail for doubt in (*Doubt, None)}

    assert len(said) == len(Doubt) + 1
    assert all("partition 3, offset 9: " in detail for detail in said)


@pytest.mark.parametrize(
    ("searches", "ids", "offsets"),
    [
        ([search()], (1,), (10, UNTIL)),
        ([search(1), search(2, until=30)], (1, 2), (10, 30)),
        # what is folded across a letter's record must not be looked at for it
        ([search(1, searched=20), search(2)], (2,), (10, 20)),
    ],
)
def test_what_is_read_next(searches: list[Search], ids: tuple[int, ...], offsets: tuple[int, int]) -> None:
    """Those that are least far go first, up to where another one joins them."""
    stretch = next_stretch(searches)

    assert tuple(one.id for one in stretch.searches) == ids
    assert (stretch.start, stretch.end) == offsets
    assert sorted(stretch.claimed) == sorted(one.id for one in searches)


def test_what_records_say_of_rows() -> None:
    """Rows that change, rows whose record is damaged, and records that say of no row that they are of it."""
    topic, known = Topic(FIELDS), KnownBindings()
    topic.bound_to(known)
    row = {"id": 1, "word": "x"}
    key, value = topic.record("c", {"id": 2, "word": "cut"})
    records = [topic.record("c", row), topic.record("d", {"id": 3, "word": None}), (key, value[:-1])]
    found = seen(planner(known).plan([slice_of(records)]), 103, incomplete=False)
    assert [(look.write.rows, look.meaning(0)) for look in found.looks] == [(1, None), (1, None), (1, Doubt.UNREAD)]
    assert (found.upto, found.doubt) == (103, None)

    unknown = [(framed(1, b"\xff" * 11), framed(2, b"?"))]
    assert seen(planner(known).plan([slice_of(unknown)]), 101, incomplete=False).doubt is Doubt.UNREAD
    assert seen(planner(known).plan([slice_of(records[:1])]), 101, incomplete=True).doubt is Doubt.COMPACTED
