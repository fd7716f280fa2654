"""Where the workers of a supervisor can be scraped, as Prometheus' HTTP service discovery wants it."""

import json
import re
from collections.abc import Sequence

from consumer.telemetry.server import Answer, Asked

# a name or an address, without its port
_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::\d{1,5})?$")


def targets(asked: Asked, host: str, ports: Sequence[int], group: str) -> Answer:
    """One target a port, at the name by which the asker has reached us, since the others are on the same machine."""
    found = _HOST.match(asked.headers.get("host", ""))
    name = found[1] if found else host
    listed = [{"targets": [f"{name}:{port}" for port in ports], "labels": {"__meta_headrace_group": group}}]
    return Answer(body=json.dumps(listed).encode(), headers={"Content-Type": "application/json"})
