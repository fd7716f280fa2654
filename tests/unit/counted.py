"""What a scrape has of facts."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from consumer.ports.facts import Fact
from consumer.telemetry.counting import Counting
from consumer.telemetry.labels import Bounded


def counted(facts: Sequence[Fact], topics: int = 9) -> dict[str, float]:
    """What a scrape has of facts, by series."""
    registry = CollectorRegistry()
    counting = Counting(registry, Bounded(topics))
    for fact in facts:
        counting.tell(fact)
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith(("_created", "_bucket"))
    }
