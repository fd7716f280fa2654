"""The fidelity page's reasons are the rules', in their words of today."""

import json

from tests.fidelity.results import FILE
from tests.fidelity.rules import LOSSES, NOT_SENT, REFUSALS
from tools.pages.fidelity import fidelity_page


def test_stored_results_have_the_words_of_the_rules() -> None:
    """Whoever words a rule anew words it there, too, or runs the table again."""
    told = set(json.loads(FILE.read_text(encoding="utf-8"))["reasons"])
    assert told <= {rule.why for rule in (*LOSSES, *REFUSALS, *NOT_SENT)}


def test_what_is_our_choice_is_not_said_to_be_the_sources_loss() -> None:
    """The event has the text of a `json` as it was; the column that we make for it does not keep that."""
    page = fidelity_page()
    (lost,) = (line for line in page.splitlines() if line.startswith("| lost | ") and "`jsonb`" in line and ":" in line)
    assert "an existing `json` column keeps them" in lost
    (meant,) = (line for line in page.splitlines() if line.startswith("| lost | ") and "by the rule below" in line)
    assert "column that is created" in meant
