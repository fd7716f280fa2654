"""What `headrace doctor` makes of a registry: its schemas and subjects."""

from dataclasses import replace
from typing import Any

import pytest

from consumer.core.doctor import registry
from consumer.core.doctor.finding import Level
from consumer.inspection.doctor import subjects_of
from consumer.ports.examining import Latest
from tests.unit.findings import AWAY, told

SUBJECT = registry.Subject(name="orders-value", there=True, compatibility="BACKWARD")
REGISTRY = registry.Registry(subjects=3, of_topics=[SUBJECT], ids=2)


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (REGISTRY, {}),
        (replace(REGISTRY, ids=None), {}),
        (replace(REGISTRY, of_topics=[]), {}),
        (replace(REGISTRY, of_topics=[replace(SUBJECT, compatibility="NONE")]), {}),
        (replace(REGISTRY, unread=[(7, AWAY)]), {"registry.schemas": "fail"}),
        (replace(REGISTRY, of_topics=[replace(SUBJECT, there=False)]), {"registry.subjects": "warn"}),
        (replace(REGISTRY, of_topics=[replace(SUBJECT, unread=AWAY)]), {"registry.subjects": "fail"}),
    ],
)
def test_registries(seen: registry.Registry, wanted: dict[str, str]) -> None:
    """What records are read by is there."""
    assert told(registry.registry(seen)) == wanted


def test_topics_that_are_too_many_to_ask_for_are_told() -> None:
    """What was not looked at is not taken for right."""
    found = registry.registry(replace(REGISTRY, topics_left=7))
    assert [one.detail for one in found if one.level is Level.SKIPPED] == [
        f"7 topics more were not looked at: at most {registry.MOST_TOPICS} are"
    ]


class Subjects:
    """A registry in which keys have a schema of another format, and the last topic has nothing."""

    def latest(self, subject: str) -> Latest | None:
        """Of any subject but the last topic's."""
        return None if subject.startswith("t99") else Latest('"string"', "FULL", "JSON" if "key" in subject else "AVRO")


def test_subjects_of_all_topics_are_asked_for() -> None:
    """Some at a time; in their order."""
    asked: Any = Subjects()
    found = subjects_of(asked, [f"t{number}" for number in range(100)])
    assert [one.name for one in found] == [f"t{n}-{part}" for n in range(100) for part in ("key", "value")]
    assert [one.there for one in found] == [True] * 198 + [False] * 2
    assert all(one.unread is not None for one in found[:198:2])
