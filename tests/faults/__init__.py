"""Faults F1 to F20, seeded: each breaks something real, then one oracle judges what is left (`make faults`)."""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("books", "log", "oracle", "trial")))
