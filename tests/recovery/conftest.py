"""The whole stack, as the engine's tests have it."""

from tests.real.conftest import stack
from tests.real.engine.conftest import at, target, workers

__all__ = ["at", "stack", "target", "workers"]
