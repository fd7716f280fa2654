"""What is measured of several workers of one group: rolling restarts, in each way of being a member, and growth."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ROLLING = "rolling"
SCALE = "scale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """`client`: the client's settings of a worker; `{place}` in a value is the number of the worker's place."""

    name: str
    client: Mapping[str, str] = field(default_factory=dict)

    def client_of(self, place: int) -> dict[str, str]:
        """What the worker in this place is started with."""
        return {name: value.format(place=place) for name, value in self.client.items()}


MODES = (
    Mode(name="cooperative"),
    Mode(name="static", client={"group.instance.id": "place-{place}"}),
    Mode(name="KIP-848", client={"group.protocol": "consumer"}),
)
NAMES = tuple(mode.name for mode in MODES)
