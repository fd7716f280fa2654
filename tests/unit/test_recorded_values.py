"""What Debezium sent is what the source holds, but for the differences that are listed here, each of the source's side.

No expected value comes from Debezium or from the program: servers were asked for them while the records were made.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.recorded import RECORDED, SYNTHETIC, Event, events, read, row_fields
from tests.spelling import equal


@dataclass(frozen=True, slots=True)
class Difference:
    """Where values differ, as an expression over `source mode table.column snapshot|stream`, and why."""

    where: str
    why: str


_ANY = r"\w+ \w+"
DIFFERENCES = (
    Difference(rf"{_ANY} zero_dates\.\w+ \w+", "a zero date is null"),
    Difference(rf"{_ANY} zero_dates_needed\.\w+ \w+", "a zero date in a column without nulls is 1970"),
    Difference(rf"{_ANY} broken_dates\.\w+ \w+", "a day or month that is zero makes the date null"),
    Difference(r"\w+ main zero_years\.year stream", "the year 0 is 1900"),
    Difference(rf"{_ANY} defaulted\.\w+ \w+", "the converter sends a nullable column's default in a null's place"),
    Difference(r"\w+ (main|micro) integers\.bigint_u \w+", "in the mode `long` the upper half is negative"),
    Difference(r"\w+ (main|plain|nano) far_dates\.\w+ \w+", "the time adjuster takes the year 1 for 2001"),
    Difference(rf"{_ANY} far_dates\.at\d snapshot", "the drivers move the days of 1582 that Rome left out"),
    Difference(r"\w+ nano (far_)?dates\.at\d \w+", "a moment beyond what 64 bits of nanoseconds can hold is null"),
    Difference(r"\w+ plain (far_)?(dates|times)\.\w+[456] \w+", "Connect's own times end at milliseconds"),
    Difference(r"\w+ plain composite\.at \w+", "Connect's own times end at milliseconds, also in a key"),
    Difference(r"\w+ plain far_times\.time\d \w+", "Connect's own time holds one day; what is beyond is null"),
    Difference(r"\w+ text far_times\.time\d \w+", "ISO text of a time holds one day; what is beyond is null"),
    Difference(r"\w+ main floats\.single(_p)? snapshot", "the server shows six digits of a float to the drivers"),
    Difference(r"\w+ main choices\.enumerated stream", "commas and backslashes of labels are escaped, if streamed"),
    Difference(r"mysql main documents\.document stream", "numbers and times in JSON are spelled anew from the log"),
    Difference(
        r"mariadb main uuids\.uuid stream", "the log leaves out zero bytes at a uuid's end, and Debezium shifts it"
    ),
    Difference(r"\w+ main strings\.utf16 stream", "a leading byte order mark is taken for the encoding's own"),
)


def differing(name: str) -> Iterator[tuple[str, Event]]:
    """Where values are not the source's, one for each cell."""
    for event in events(name):
        if event.change is None or event.value is None or event.value_schema is None:
            continue
        value = read(event.value_schema, event.value)
        phase = "snapshot" if value["op"] == "r" else "stream"
        for image, row in (("before", event.change.before), ("after", event.change.after)):
            for field in row_fields(event.value_schema) if row else ():
                sent, cell = value[image][field["name"]], (row or {})[field["name"]]
                if not (sent is None if cell is None else sent is not None and equal(field["type"], sent, cell)):
                    yield f"{name} {event.mode} {event.table}.{field['name']} {phase}", event


@pytest.mark.parametrize("name", [*RECORDED, *SYNTHETIC])
def test_the_sources_changes_are_the_records(name: str) -> None:
    """Each record has the operation and the images of the change that it reports."""
    for event in events(name):
        if event.change and event.value and event.value_schema:
            value = read(event.value_schema, event.value)
            images = [value[image] is not None for image in ("before", "after")]
            assert value["op"] == event.change.op
            assert images == [event.change.before is not None, event.change.after is not None]


@pytest.mark.parametrize("name", [*RECORDED, *SYNTHETIC])
def test_values_are_the_sources_but_for_what_is_listed(name: str) -> None:
    """Every other cell of every image is the source's own value."""
    found = {where for where, _ in differing(name)}

    assert not {where for where in found if not any(re.fullmatch(each.where, where) for each in DIFFERENCES)}


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.why)
def test_every_listed_difference_is_there(difference: Difference) -> None:
    """None is listed for nothing."""
    assert any(re.fullmatch(difference.where, where) for name in RECORDED for where, _ in differing(name))
