"""What four looks at a row say: a difference is one only where no order of writes could have made it."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.canonical import Kind, spelling
from consumer.core.reconcile import DIFFERENCES, Looks, Seen, Verdict, suspects, verdict

A, B, C = (Seen(digest, f"v{digest}") for digest in (1, 2, 3))


def test_a_row_that_was_not_written_since_says_what_it_is() -> None:
    """At either side."""
    table = {
        Looks(before=B, source=A, target=A, after=A): Verdict.EQUAL,
        Looks(before=B, source=A, target=C, after=C): Verdict.EQUAL,
        Looks(before=None, source=None, target=None, after=None): Verdict.EQUAL,
        Looks(before=B, source=A, target=B, after=A): Verdict.DIFFERENT,
        Looks(before=B, source=A, target=B, after=C): Verdict.DIFFERENT,
        Looks(before=None, source=A, target=None, after=A): Verdict.MISSING,
        Looks(before=B, source=None, target=B, after=None): Verdict.EXTRA,
        # the target was written between the looks, and the source too
        Looks(before=A, source=B, target=C, after=A): Verdict.MOVING,
        Looks(before=A, source=None, target=B, after=None): Verdict.MOVING,
        Looks(before=None, source=A, target=None, after=None): Verdict.EQUAL,
        Looks(before=A, source=A, target=None, after=B): Verdict.MOVING,
    }
    assert {looks: verdict(looks) for looks in table} == table


@dataclass(frozen=True)
class Log:
    """What the source has been, change after change, and how many of them the target had at each look."""

    rows: list[int | None]
    before: int
    source: int
    target: int
    after: int

    def seen(self, upto: int, side: str) -> Seen | None:
        """The row when so many changes were made; each write makes another version."""
        digest = self.rows[upto]
        return None if digest is None else Seen(digest, f"{side}{upto}")


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """A correct pipeline: the target has a part of the changes, and all of the source's position at its second look."""
    rows = draw(st.lists(st.sampled_from([None, 1, 2]), min_size=1, max_size=8))
    last = len(rows) - 1
    source = draw(st.integers(0, last))
    after = draw(st.integers(source, last))
    before = draw(st.integers(0, source))
    target = draw(st.integers(source, after))
    return Log(rows, before, source, target, after)


@given(logs())
def test_a_target_that_is_only_behind_is_never_called_different(log: Log) -> None:
    """Whatever is written, and whenever it is looked at."""
    looks = Looks(
        before=log.seen(log.before, "t"),
        source=log.seen(log.source, "s"),
        target=log.seen(log.target, "t"),
        after=log.seen(log.after, "s"),
    )
    assert verdict(looks) not in DIFFERENCES


@given(logs(), st.sampled_from(["lost", "changed", "added"]))
def test_a_row_that_was_changed_by_hand_is_found_once_both_rest(log: Log, damage: str) -> None:
    """Or is equal by chance."""
    row = log.seen(log.after, "s")
    there = {"lost": None, "changed": C, "added": C}[damage]
    found = verdict(Looks(before=there, source=row, target=there, after=row))
    expected = Verdict.EXTRA if row is None else Verdict.MISSING if there is None else Verdict.DIFFERENT
    assert found == (Verdict.EQUAL if row == there else expected)


def test_keys_of_one_side_and_other_digests_are_suspected() -> None:
    """In order."""
    assert suspects({("1",): 1, ("2",): 2, ("3",): 3}, {("2",): 2, ("3",): 4, ("4",): 4}) == [("1",), ("3",), ("4",)]


def test_types_without_a_text_in_common_are_not_guessed() -> None:
    """Nor those that an array has."""
    pairs = [("text", "int4"), ("bytea", "text"), ("float8", "numeric"), ("interval", "int8"), ("json", "int4")]
    assert [spelling(Kind(name=one), Kind(name=other)) for one, other in pairs] == [None] * len(pairs)
    assert spelling(Kind(name="timetz", array=True), Kind(name="timetz", array=True)) is None
    assert spelling(Kind(name="int4", array=True), Kind(name="int4")) is None
