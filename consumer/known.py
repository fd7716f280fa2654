"""The bindings that were made: found without asking anyone, and forgotten where what they rest on may have changed."""

from collections.abc import Callable, Collection

from consumer.core.plan import Binding, BindingKey, Run, TableName
from consumer.core.records import OffsetRange


class KnownBindings:
    """Implements `consumer.ports.bindings.Bindings`; written by one thread at a time and read by all."""

    def __init__(self) -> None:
        self._known: dict[BindingKey, Binding] = {}

    def find(self, key: BindingKey) -> Binding | None:
        return self._known.get(key)

    def spoiled(self, key: BindingKey, run: Run) -> tuple[OffsetRange, ...]:
        """The ranges of such records none of which decodes, while no other was met, with those of one more run.

        Of its partition no others than its slice's, so that they do not become more and more.
        """
        binding, piece = self._known.get(key), run.piece
        before = binding.spoiled if binding is not None else ()
        kept = (one for one in before if one.at != piece.at or (piece.start <= one.start and one.end <= piece.end))
        return (*kept, *run.ranges())

    def learn(self, key: BindingKey, binding: Binding) -> None:
        """Remember a binding."""
        self._known[key] = binding

    def of_topic(self, topic: str, key_frame: bytes | None) -> Binding | None:
        """Any binding of the topic with this key schema, but for those of a few records alone."""
        return next(
            (
                b
                for k, b in list(self._known.items())
                if k.topic == topic and k.key_frame == key_frame and k.value_frame and b.table and not b.spoiled
            ),
            None,
        )

    def forget(self, table: TableName | None) -> None:
        """Forget what was read of a table's catalog."""
        self._forget(lambda key, binding: binding.table is not None and table in (None, binding.table.name))

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
        old = [key for key, binding in list(self._known.items()) if chosen(key, binding)]
        for key in old:
            self._known.pop(key, None)

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
