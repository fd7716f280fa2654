"""The bindings that were made: found without asking anyone, and forgotten where what they rest on may have changed."""

from collections import OrderedDict
from collections.abc import Callable, Collection

from consumer.core.binding import Binding, BindingKey
from consumer.core.records import OffsetRange
from consumer.core.runs import Run
from consumer.core.target import TableName

# where it is not said how many records a batch has
_MOST_UNREADABLE = 10_000


class KnownBindings:
    """Implements `consumer.ports.bindings.Bindings`; written by one thread at a time and read by all.

    Bad records may have ids without end, of which nothing can be read: of these the newest are known.
    `most_unreadable`: no fewer than a batch has records, so that it can be planned.
    """

    def __init__(self, most_unreadable: int = _MOST_UNREADABLE) -> None:
        self._most_unreadable = most_unreadable
        self._known: dict[BindingKey, Binding] = {}
        self._unreadable: OrderedDict[BindingKey, Binding] = OrderedDict()
        # bound once, until the catalog was to be read again: by them letters' rows are known meanwhile
        self._before: dict[BindingKey, Binding] = {}

    def find(self, key: BindingKey) -> Binding | None:
        return self._known.get(key) or self._unreadable.get(key)

    def spoiled(self, key: BindingKey, run: Run) -> tuple[OffsetRange, ...]:
        """The ranges of such records none of which decodes, while no other was met, with those of one more run.

        Of its partition no others than its slice's, so that they do not become more and more.
        """
        binding, piece = self.find(key), run.piece
        before = binding.spoiled if binding is not None else ()
        kept = (one for one in before if one.at != piece.at or (piece.start <= one.start and one.end <= piece.end))
        return (*kept, *run.ranges())

    def learn(self, key: BindingKey, binding: Binding) -> None:
        """Remember a binding."""
        # in the place of what is known before that goes, since others look it up meanwhile
        if binding.unreadable is None:
            self._known[key] = binding
            self._unreadable.pop(key, None)
            self._before.pop(key, None)
            return
        self._unreadable[key] = binding
        self._unreadable.move_to_end(key)
        self._known.pop(key, None)
        while len(self._unreadable) > self._most_unreadable:
            self._unreadable.popitem(last=False)

    def of_topic(self, topic: str, key_frame: bytes | None) -> Binding | None:
        """Any binding of the topic with this key schema, but for those of a few records alone."""
        return _of_topic(self._known, topic, key_frame)

    def rows_of(self, topic: str, key_frame: bytes | None) -> Binding | None:
        return _of_topic(self._known, topic, key_frame) or _of_topic(self._before, topic, key_frame)

    def of_values(self, topic: str, value_frame: bytes | None) -> Binding | None:
        """Any binding of the topic with this value schema that tells rows apart, but for those of a few records."""
        return next(
            (
                b
                for k, b in [*self._known.items(), *self._before.items()]
                if (k.topic, k.value_frame) == (topic, value_frame) and value_frame and b.identity and not b.spoiled
            ),
            None,
        )

    def forget(self, table: TableName | None, *, doubted: bool = False) -> None:
        """Forget what was read of a table's catalog. `doubted`: it may still be so, and is looked at again."""
        old = {key: binding for key, binding in self._known.items() if _is_of(table, binding)} if doubted else {}
        self._forget(lambda key, binding: _is_of(table, binding))
        self._before |= old

    def forget_tables(self, names: Collection[str]) -> None:
        """Forget what is bound to tables of these names."""
        self._forget(lambda key, binding: binding.table is not None and str(binding.table.name) in names)

    def forget_topic(self, topic: str) -> None:
        """Forget all bindings of a topic."""
        self._forget(lambda key, binding: key.topic == topic)

    def keyed(self, topic: str) -> bool:
        """Whether records of the topic are known to have keys."""
        return any(k.topic == topic and k.key_frame and b.table for k, b in list(self._known.items()))

    def alone(self) -> set[str]:
        """The topics with bindings that hold only as long as they have one partition."""
        return {k.topic for k, b in list(self._known.items()) if b.alone}

    def forget_alone(self, topics: Collection[str]) -> None:
        """Forget such bindings of these topics."""
        self._forget(lambda key, binding: binding.alone and key.topic in topics)

    def _forget(self, chosen: Callable[[BindingKey, Binding], bool]) -> None:
        for bindings in (self._known, self._unreadable, self._before):
            old = [key for key, binding in list(bindings.items()) if chosen(key, binding)]
            for key in old:
                bindings.pop(key, None)

    def tables(self) -> dict[str, set[TableName]]:
        """The tables that each topic is bound to."""
        found: dict[str, set[TableName]] = {}
        for key, binding in list(self._known.items()):
            if binding.table is not None:
                found.setdefault(key.topic, set()).add(binding.table.name)
        return found

    def topics_of(self, table: TableName) -> set[str]:
        """The topics that feed a table."""
        return {k.topic for k, b in list(self._known.items()) if b.table is not None and b.table.name == table}


def _is_of(table: TableName | None, binding: Binding) -> bool:
    return binding.table is not None and table in (None, binding.table.name)


def _of_topic(known: dict[BindingKey, Binding], topic: str, key_frame: bytes | None) -> Binding | None:
    return next(
        (
            b
            for k, b in list(known.items())
            if k.topic == topic and k.key_frame == key_frame and k.value_frame and b.table and not b.spoiled
        ),
        None,
    )
