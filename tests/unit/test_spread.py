"""Histograms that are told of many records at once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from consumer.telemetry.metrics import APPLY_LATENCY
from consumer.telemetry.spread import Spread

# the bounds in milliseconds and what is beside them: 0 and what is later than now too
EDGES = [round(bound * 1000) + near for bound in APPLY_LATENCY.buckets for near in (-1, 0, 1)]
AGES = st.sampled_from([-5, 0, *EDGES, 10**9])


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """What a scrape has of it."""
    (family,) = registry.collect()
    return {
        (each.name, each.labels.get("le", "")): round(each.value, 3)
        for each in family.samples
        if not each.name.endswith("_created")
    }


@given(st.lists(st.lists(st.tuples(AGES, st.integers(1, 3)), max_size=9), max_size=4), st.booleans())
def test_it_is_what_one_record_after_the_other_makes(batches: list[list[tuple[int, int]]], weighed: bool) -> None:
    """To the bucket, whether each stands for itself or for some."""
    mine, theirs = CollectorRegistry(), CollectorRegistry()
    spread = Spread(APPLY_LATENCY, mine)
    each = Histogram(APPLY_LATENCY.name, APPLY_LATENCY.help, buckets=APPLY_LATENCY.buckets, registry=theirs)
    for batch in batches:
        ages, counts = np.array([age for age, _ in batch], dtype=np.int64), np.array([n for _, n in batch])
        spread.add(ages, counts) if weighed else spread.add(ages)
        for age, count in batch:
            for _ in range(count if weighed else 1):
                each.observe(max(0, age) / 1000)
    assert samples(mine) == samples(theirs)
