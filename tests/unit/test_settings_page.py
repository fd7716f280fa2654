"""The page of settings, as people read it."""

import re

from tools.pages.settings import settings_page


def test_types_are_words() -> None:
    """Also where a value may be of several."""
    rows = [line.split(" | ") for line in settings_page().splitlines() if line.startswith("| `")]
    types = {row[0].removeprefix("| "): row[1] for row in rows}
    assert types["`kafka.client`"] == "table of string or integer or number or boolean"
    assert [name for name, kind in types.items() if re.search(r"[\[\]{}']", re.sub("`[^`]*`", "", kind))] == []
