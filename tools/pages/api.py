"""The API's OpenAPI document, from its routes."""

import json
from contextlib import nullcontext
from typing import Any

from consumer.admin.app import description, make_app
from consumer.admin.doors import Doors
from consumer.settings.admin import Admin


def api_document() -> str:
    """The document."""
    # nobody goes through them
    closed: Any = nullcontext
    doors = Doors(
        desk=closed,
        positions=closed,
        control=closed,
        survey=closed,
        letters=closed,
        jobs=closed,
        source=closed,
        recoveries=closed,
        repairs=closed,
        connectors=closed,
        doctor=closed,
        offsets=closed,
        ages=closed,
        lane=closed,
        has_connect=False,
        settings=dict,
        about={},
    )
    return json.dumps(description(make_app(Admin(), doors)), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
