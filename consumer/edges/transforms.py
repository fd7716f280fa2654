"""Users' transforms from the packages that offer them, by entry points."""

from importlib.metadata import entry_points
from typing import cast

from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS
from consumer.core.transform import GROUP, Named, Transform


def load_transform(name: str) -> Named:
    """The transform of that name. Raises Refused where no package offers one that can be used."""
    offered = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in offered:
        others = ", ".join(sorted(offered)) or "none"
        raise _refused(f"no package offers a transform {name!r}; there are: {others}")
    try:
        found = offered[name].load()
    # it is not ours: importing it runs its code
    except Exception as error:
        raise _refused(f"the transform {name!r} can't be imported ({type(error).__name__})") from error
    if not callable(found) or not hasattr(found, "made_from"):
        raise _refused(f"the transform {name!r} can't be called with rows, or has no made_from")
    return Named(name=name, call=cast(Transform, found))


def _refused(detail: str) -> Refused:
    remedy = f"Install the package that has it, with an entry point of the group {GROUP}, or correct `transform`."
    return Refused(failed(KINDS["worker.settings"], "settings", "load", detail, remedy=remedy))
