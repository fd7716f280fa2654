"""How long the steps of a batch took, and when they began."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """One step: `began` in seconds since 1970. Of what was done in pieces, `seconds` is their sum."""

    step: str
    began: float
    seconds: float
