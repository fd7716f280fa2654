"""The schema registry: whether it has what records are read by."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from consumer.core.doctor.finding import Area, Check, Finding
from consumer.core.failure import Failure
from consumer.core.wording import counted

MOST_TOPICS = 500
"""Topics whose subjects are asked for."""

REACHABLE = Check(
    "registry.reachable", Area.REGISTRY, "the registry answers", "fail: it does not, or refuses our login"
)
IN_USE = Check(
    "registry.schemas",
    Area.REGISTRY,
    "every schema that was read by before is still there: `headrace.schemas` of this registry, the newest 200",
    "fail: the registry does not know an id any more, or it can't be read",
)
SUBJECTS = Check(
    "registry.subjects",
    Area.REGISTRY,
    "the newest schemas of the subjects `<topic>-key` and `<topic>-value` of the topics that are read, at most "
    f"{MOST_TOPICS}",
    "fail: rows of such a schema could not be read; warn: no subject by these names",
)
COMPATIBLE = Check(
    "registry.compatibility",
    Area.REGISTRY,
    "by which rule these subjects take new versions",
    "never: with NONE a change of type is first noticed by a contract or by its table",
)
OF_REGISTRY = (REACHABLE, IN_USE, SUBJECTS, COMPATIBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject of a topic. `compatibility`: empty where it is not told. `unread`: why we can't use it."""

    name: str
    there: bool
    compatibility: str = ""
    unread: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What it said. `subjects`: how many it has. `topics_left`: topics that were not asked for. `ids`: how many were;
    `unread`: why those are not there.
    """

    subjects: int
    of_topics: Sequence[Subject]
    topics_left: int = 0
    ids: int | None = None
    unread: Sequence[tuple[int, Failure]] = ()


def registry(seen: Registry) -> list[Finding]:
    """Of the registry."""
    found = [REACHABLE.ok(counted(seen.subjects, "subject"))]
    if seen.ids is None:
        found.append(IN_USE.skipped("the control schema can't be read"))
    elif not seen.ids:
        found.append(IN_USE.skipped("none was read by yet"))
    else:
        lost = [IN_USE.failed(failure, f"schema {number}") for number, failure in seen.unread]
        found += IN_USE.all_ok(lost, f"{counted(seen.ids, 'schema')} in use, all there")
    if not seen.of_topics:
        return [*found, *(check.skipped("there is no topic yet") for check in (SUBJECTS, COMPATIBLE))]
    there = [one for one in seen.of_topics if one.there]
    bad = [line for one in seen.of_topics for line in _bad(one)]
    found += SUBJECTS.all_ok(bad, f"{counted(len(there), 'subject')}, all can be read")
    if seen.topics_left:
        found.append(
            SUBJECTS.skipped(f"{counted(seen.topics_left, 'topic')} more were not looked at: at most {MOST_TOPICS} are")
        )
    rules = Counter(one.compatibility or "not told" for one in there)
    if not there:
        return [*found, COMPATIBLE.skipped("no subject is known")]
    return [*found, COMPATIBLE.ok(", ".join(f"{rule} ({many})" for rule, many in sorted(rules.items())))]


def _bad(one: Subject) -> list[Finding]:
    if not one.there:
        remedy = "None, where the converter has another subject.name.strategy; else look whether its connector has run."
        return [SUBJECTS.warn("there is no such subject", remedy, one.name)]
    return [] if one.unread is None else [SUBJECTS.failed(one.unread, one.name)]
