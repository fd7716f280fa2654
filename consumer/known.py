"""The bindings that were made: found without asking anyone, and forgotten where what they rest on may have changed."""

from collections.abc import Callable, Collection

from consumer.core.plan import Binding, BindingKey, TableName
from consumer.core.records import OffsetRange


class KnownBindings:
    """Implements `consumer.ports.bindings.Bindings`; written by one thread at a time and read by all."""

    def __init__(self) -> None:
        self._known: dict[BindingKey, Binding] = {}

    def find(self, key: BindingKey) -> Binding | None:
        return self._known.get(key)

    def spoiled(self, key: BindingKey) -> tuple[OffsetRange, ...]:
        """The ranges of such records none of which decodes, while no other was met."""
        binding = self._known.get(key)
        return binding.spoiled if binding is not None else ()

    def learn(self, key: BindingKey, binding: Binding) -> None:
        """Remember a binding."""
        self._known[key] = binding

    def of_topic(self, topic: str, key_frame: bytes | None) -> Binding | None:
        """Any binding of the topic with this key schema; for runs that hold nothing but tombstones."""
        return next(
            (
                b
                for k, b in list(self._known.items())
                if k.topic == topic and k.key_frame == key_frame and k.value_frame and b.table
            ),
            None,
        )

    def forget(self, table: TableName | None) -> None:
        """Forget what was read of a table's catalog."""
        self._forget(lambda key, binding: binding.table is not None and table in (None, binding.table.name))

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
        old = [key for key, binding in list(self._known.items()) if chosen(key, binding)]
        for key in old:
            self._known.pop(key, None)

    def topics_of(self, table: TableName) -> set[str]:
        """The topics that feed a table."""
        return {k.topic for k, b in list(self._known.items()) if b.table is not None and b.table.name == table}
