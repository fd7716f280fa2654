"""Jobs that take letters along, on the database and over the API."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from fastapi import FastAPI

from consumer.core.decision import Undecidable
from consumer.core.jobs import JobKind
from consumer.core.roles import Role
from consumer.ports.desk import Note
from consumer.remote.client import Client
from consumer.remote.letters import RemoteJobs
from consumer.remote.server import Server
from dlq.jobs import Order
from dlq.ports import LetterJobs
from dlq.selection import Selection
from tests.admin.conftest import secret
from tests.admin.scene import Shop
from tests.admin.serving import served
from tests.pg.words import behind

NOTE = Note("me", "ticket 1")


@pytest.fixture(params=["here", "there"])
def jobs(request: pytest.FixtureRequest, shop: Shop, guarded: FastAPI) -> Iterator[LetterJobs]:
    """Of the database, and with an operator's token."""
    if request.param == "here":
        with shop.doors.jobs() as desk:
            yield desk
        return
    with served(guarded) as address, closing(Client(Server(url=address, token=secret(Role.OPERATOR)))) as client:
        yield RemoteJobs(client)


def test_what_waits_for_letters_that_are_given_up_is_told_and_counts(shop: Shop, jobs: LetterJobs) -> None:
    """By itself, in the preview, the job and its report."""
    front = shop.bad(2)
    behind(shop.session, front)
    chosen, rules = Selection(ids=(front,)), jobs.ruled(JobKind.DISCARD)
    found = jobs.preview(chosen, rules)
    assert (found.meant, found.goes, found.along) == (1, 2, 1)
    with pytest.raises(Undecidable, match="2 letters now, not 1"):
        jobs.create(Order(selection=chosen, rules=rules, expect=1, said=NOTE))
    number = jobs.create(Order(selection=chosen, rules=rules, expect=2, these=found.these, said=NOTE))
    made = jobs.job(number)
    assert made is not None
    assert (made.items, made.along) == (2, 1)
    first, last = jobs.report(number)
    assert (first.letter, first.along, last.along) == (front, False, True)
