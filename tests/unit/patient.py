"""Patience with a target that is nobody's."""

from typing import Any

from consumer.applying.patience import Patience
from consumer.core.backoff import Backoff
from consumer.edges.breaker import CircuitBreaker


def patient(target: Any) -> Patience:
    """With a breaker of its own."""
    return Patience(target, CircuitBreaker("target"), Backoff())
