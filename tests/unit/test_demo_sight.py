"""What is seen of a running demonstration, and what of it is known."""

from dataclasses import replace

import pytest

from consumer.stack.demo.watch import Topic
from tests.unit.test_demo_view import sight


@pytest.mark.parametrize(("ended", "known"), [(9, False), (10, True), (11, True)])
def test_ends_that_are_older_than_what_is_applied_are_not_known(ended: int, known: bool) -> None:
    """The last figures are not taken from an answer of before."""
    topic = Topic(table="orders", committed=10, ended=ended, applied=10, behind=0.0, rates=())
    assert replace(sight(1, 1.0), topics=(topic,)).known is known
