"""What is asked of Kafka and Kafka Connect to tell how far a group is behind."""

from collections.abc import Sequence

from consumer.core.lag import Log, Place
from consumer.ports.topics import Ages, Offsets


def log_of(offsets: Offsets, ages: Ages, places: Sequence[Place]) -> Log:
    """Ends of the logs, and since when what is read next lies there. Raises Transient."""
    ends = offsets.ends([place.at for place in places])
    behind = {place.at: place.position for place in places if ends.get(place.at, 0) > place.position}
    return Log(ends=ends, appended=ages.appended(behind))
