"""Whom workers' commands are for, as API and console give them."""

from collections.abc import Collection

from consumer.admin.problems import Absent
from consumer.ports.control import Control


def alive(control: Control, wanted: Collection[str] = ()) -> list[str]:
    """The workers that report themselves: all, or those that are named. Raises Absent without any."""
    names = [one.name for one in control.workers() if not one.gone and (not wanted or one.name in wanted)]
    if not names:
        raise Absent("no such worker of this group reports itself")
    return names
