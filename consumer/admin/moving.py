"""Setting positions, as API and console do: looked at, agreed to by what was shown, done."""

from consumer.admin.problems import Absent
from consumer.core.decision import Undecidable
from consumer.ports.desk import Moved, Note
from consumer.recovery.moving import Looked, Positions, Wish


def outlook(desk: Positions, wish: Wish) -> Looked:
    """What would be done. Raises Absent without such a position, Undecidable."""
    found = desk.look(wish)
    if found is None:
        raise Absent(f"{wish.at} has no position in this group")
    return found


def set_position(desk: Positions, wish: Wish, expected: tuple[int, bool], note: Note) -> Moved:
    """Do it, if it is what was agreed to: where it goes, and whether the topic was made anew.

    Raises Absent, Undecidable.
    """
    found = outlook(desk, wish)
    if (found.decision.next_offset, found.decision.anew) != expected:
        raise Undecidable("the partition has moved or stopped elsewhere meanwhile; look again")
    return desk.move(found, note)
