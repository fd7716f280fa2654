"""Names of workers and their processes."""

import os

import pytest

from consumer.composition.process import worker_name
from consumer.edges.postgres.session import application_name
from consumer.settings.loading import load
from consumer.settings.worker import Worker, lent_name


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("db3", "db3"),
        ("db3.example.org", "db3.example.org"),
        (f"db3.{'long.' * 10}example.org", "db3"),
        (f"release-{'x' * 40}-7d9f8b6c5-x2x4z", f"{'x' * 24}-7d9f8b6c5-x2x4z"),
        ("dönis büro", "d-nis-b-ro"),
        ("", "worker"),
    ],
)
def test_a_host_lends_its_name_within_the_rule_of_names(host: str, name: str) -> None:
    """It is no value that somebody has set, so nobody is told of it; pods differ at the end."""
    assert lent_name(host) == name
    assert Worker(name=lent_name(host)).name == name


def test_a_process_name_is_whole_in_what_its_sessions_are_called(environment: pytest.MonkeyPatch) -> None:
    """PostgreSQL cuts it; two that are alike up to there would be taken for one."""
    settings = load()
    for base in ("w", "w" * 40, "w" * 80):
        named = settings.model_copy(update={"worker": settings.worker.model_copy(update={"name": base})})
        one, other = worker_name(named), worker_name(named)
        assert one != other
        assert application_name(one) == f"headrace {one}"
        assert f"-{os.getpid()}-" in one
