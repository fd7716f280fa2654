"""What is planned of a topic of orders, and a decoder that must not be asked."""

from consumer.binding.known import KnownBindings
from consumer.core.plan import Plan
from consumer.core.records import Slice
from tests.unit.known import Topic, planner

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "amount", "type": ["null", "int"], "default": None},
]
SECRET = "sesame"
ORDERS = Topic(FIELDS)


def row(number: int, word: str | None = SECRET) -> dict[str, object]:
    """A row."""
    return {"id": number, "word": word, "amount": 7}


def planned(piece: Slice, topic: Topic = ORDERS) -> Plan:
    """The plan of one slice of a known topic."""
    known = KnownBindings()
    topic.bound_to(known)
    return planner(known).plan([piece])


def shapes(plan: Plan) -> list[list[tuple[str, int]]]:
    """By stage: what each write does and to how many rows."""
    return [[(write.action.value, write.rows) for write in stage.writes] for stage in plan.stages]


SOUND = ORDERS.record("c", row(0))


class Never:
    """A decoder that must not be asked."""

    def sift(self, schema: str, data: object, fields: object, head: int = 0) -> object:
        """Fails."""
        raise AssertionError("the native decoder was asked")
