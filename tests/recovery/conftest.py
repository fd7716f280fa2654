"""The whole stack, as the engine's tests have it."""

from tests.real.engine.conftest import target, workers

__all__ = ["target", "workers"]
