"""How each block of the pages is run. A block that is in none of these tables fails a test, as an idle entry does.

A page is followed from top to bottom, on one terminal, beside a shop that runs (`live/test_pages.py`), unless a test of
its own follows it. What is no command is held to what it says by its kind (`test_texts.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.docs.blocks import Block


@dataclass(frozen=True, kw_only=True)
class Absent:
    """What is not run: why, and how far it is held to something all the same."""

    why: str
    held: str


# by page: the test that follows it, with a beginning and an end of its own
FOLLOWED: Mapping[str, str] = {
    "docs/tutorial.md": "tests/docs/live/test_tutorial.py",
    "docs/tutorial/fix-your-first-dead-letter.md": "tests/docs/live/test_first_letter.py",
    "docs/how-to/take-over-from-a-jdbc-sink.md": "tests/docs/live/test_take_over.py",
    "docs/how-to/least-privileges.md": "tests/docs/live/test_privileges.py",
}

_ENGINE = "there is no container engine on the test machines"
_CLUSTER = "there is no cluster on the test machines"
_ITSELF = "it is a suite of its own, which the workflow runs"

# the beginning of a command, by page or for all ("")
ABSENT: Mapping[tuple[str, str], Absent] = {
    ("", "docker compose "): Absent(
        why=_ENGINE, held="services, profiles and files are those of the compose file; what runs inside is parsed"
    ),
    ("docs/how-to/deploy-with-compose.md", "cp .env.example .env"): Absent(
        why="it belongs to what follows", held="the file is there, and tests/deploy/test_compose.py reads it"
    ),
    ("docs/how-to/deploy-with-compose.md", "docker run --rm headrace:"): Absent(
        why=_ENGINE, held="the tag is the version's, and what runs inside is parsed"
    ),
    ("docs/how-to/deploy-with-compose.md", "docker build --build-arg "): Absent(
        why=_ENGINE, held="the Dockerfile has the arguments, and the tag is the version's"
    ),
    ("docs/how-to/deploy-with-helm.md", "helm upgrade --install "): Absent(
        why=_CLUSTER, held="the chart is rendered with the values of the page, by the same words"
    ),
    ("", "kubectl "): Absent(
        why=_CLUSTER, held="what it names is in the rendered chart; what runs inside is parsed"
    ),
    ("README.md", "make demo"): Absent(
        why="make has set up the place of this test", held="tests/docs/live/test_first_letter.py runs its recipe"
    ),
    ("README.md", "make test"): Absent(why="it is what runs these tests", held="its target is there"),
    ("README.md", "make setup"): Absent(
        why="make has set up the place of this test", held="its target is there"
    ),
    ("CONTRIBUTING.md", "make "): Absent(why=_ITSELF, held="its targets are there"),
    ("docs/how-to/dashboards-and-alerts.md", "make alerts"): Absent(why=_ITSELF, held="its target is there"),
    ("docs/how-to/run-the-fault-tests.md", "make faults"): Absent(why=_ITSELF, held="its target is there"),
    ("docs/how-to/run-the-scenarios.md", "make "): Absent(why=_ITSELF, held="its targets are there"),
    ("docs/benchmarks.md", "headrace bench "): Absent(
        why="each takes from minutes to an hour, of a quiet machine", held="parsed; `make bench-tests` runs a tiny race"
    ),
    ("docs/scaling.md", "headrace bench "): Absent(
        why="each takes from minutes to an hour, of a quiet machine", held="parsed; `make bench-tests` runs a tiny race"
    ),
}  # fmt: skip

# what a shell of the shop's operator can run
_TYPED = re.compile(r"(\.venv/bin/)?(headrace|psql|curl|promtool|kill|kafka-configs\.sh|export) ")
# by language; without one, what is shown is the page's own matter
TEXTS = ("toml", "json", "yaml", "promql", "properties", "python")
SHOWN = {
    "docs/how-to/deploy-with-compose.md": "variables of the compose file",
    "docs/how-to/set-timeouts.md": "what the program says of such settings",
}
# made from the code and held to it elsewhere
GENERATED = {"docs/reference/alerts.md": "tests/monitoring/test_rules.py tries each rule on series"}


def absent(page: str, command: str) -> Absent | None:
    """Why a command is not run, None where it is."""
    fitting = [found for (where, begin), found in ABSENT.items() if where in ("", page) and command.startswith(begin)]
    return fitting[0] if fitting else None


def unknown(block: Block) -> list[str]:
    """What of a block is in no table."""
    if block.page in FOLLOWED or block.page in GENERATED:
        return []
    if block.language in ("console", "sh"):
        unheard = [each for each in block.commands if not absent(block.page, each) and not _TYPED.match(f"{each} ")]
        return [f"{block}: {each}" for each in unheard] or ([] if block.commands else [f"{block}: no command"])
    if block.language == "":
        return [] if block.page in SHOWN else [f"{block}: no language"]
    return [] if block.language in ("sql", *TEXTS) else [f"{block}: the language {block.language}"]
