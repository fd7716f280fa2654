"""Patience with a target that is nobody's."""

from typing import Any

from consumer.core.backoff import Backoff
from consumer.edges.breaker import CircuitBreaker
from consumer.patience import Patience


def patient(target: Any) -> Patience:
    """With a breaker of its own."""
    return Patience(target, CircuitBreaker("target"), Backoff())
