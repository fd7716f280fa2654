"""The commands of each page, in the page's order, on servers that are real."""

import pytest

from tests.docs.blocks import PAGES, blocks
from tests.docs.live.following import commands, follow
from tests.docs.live.givens import GIVENS
from tests.docs.live.scene import Scene
from tests.docs.ways import FOLLOWED, absent

_LIVE = [
    page
    for page in PAGES
    if page not in FOLLOWED and any(not absent(page, each) for block in blocks(page) for each in commands(block))
]
# what changes tables and topics for good comes last
_LAST = ("docs/how-to/set-a-position.md", "docs/how-to/change-tables-while-it-runs.md", "docs/how-to/recover.md")


@pytest.mark.parametrize("page", sorted(_LIVE, key=lambda page: (page in _LAST, page)))
def test_a_page_goes_as_it_stands_there(scene: Scene, page: str) -> None:
    """Every command ends well, or as the page says."""
    try:
        assert follow(scene, page, GIVENS) == []
    finally:
        scene.mend()
