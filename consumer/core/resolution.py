"""Whether data of one Avro schema can be read as another one says (Avro 1.11, "Schema Resolution").

Judged by the schemas alone: what can't be read is whatever some datum of the writer's schema could be. Type names of
Connect and Debezium count too, where the reader's schema has one: an int that is no date any more reads well and is
wrong.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from consumer.core.avro import Avro, full_name, named_types, options, resolve, union
from consumer.core.shape import Misfit

_PROMOTED = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
    ("string", "bytes"),
    ("bytes", "string"),
}
_DECIMALS = frozenset({("logicalType", "decimal"), ("connect.name", "org.apache.kafka.connect.data.Decimal")})
_NAMED = frozenset({"record", "enum", "fixed"})


@dataclass(frozen=True, slots=True)
class Side:
    """One of two schemas that are compared, at some place in its document.

    `names`: the named types of the document; `namespace`: the one around the place.
    """

    schema: Avro
    names: Mapping[str, Avro]
    namespace: str

    @staticmethod
    def of(schema: Avro) -> "Side":
        """A whole document."""
        return Side(schema, named_types(schema), "")

    def at(self, schema: Avro) -> "Side":
        """A part of it."""
        inside = self.found
        name = full_name(inside["name"], inside.get("namespace", self.namespace)) if _is_named(inside) else ""
        return Side(schema, self.names, name.rpartition(".")[0] if name else self.namespace)

    @property
    def found(self) -> Avro:
        """What stands behind a name or a wrapper; unions stay."""
        return resolve(self.schema, self.names, self.namespace)

    @property
    def word(self) -> str:
        """The type in a word."""
        found = self.found
        if isinstance(found, list):
            return " or ".join(Side(branch, self.names, self.namespace).word for branch in found)
        return str(found["type"] if isinstance(found, dict) else found)

    @property
    def name(self) -> str:
        """The full name of a named type."""
        found = self.found
        return full_name(found["name"], found.get("namespace", self.namespace))

    @property
    def meanings(self) -> Mapping[str, str]:
        """The type names that give its values meaning, by who reads them; a record has its own name."""
        found = self.found
        if not isinstance(found, dict) or found["type"] == "record":
            return {}
        return {reader: found[reader] for reader in ("connect.name", "logicalType") if found.get(reader)}

    @property
    def is_decimal(self) -> bool:
        """Whether its values have a scale."""
        return not _DECIMALS.isdisjoint(self.meanings.items())

    @property
    def digits(self) -> tuple[int | None, int]:
        """Of a decimal how many there may be, if that is said, and its scale."""
        found = self.found
        scale = found.get("scale", (found.get("connect.parameters") or {}).get("scale", 0))
        return found.get("precision"), int(scale)


def misfits(writer: Side, reader: Side, path: str = "") -> list[Misfit]:
    """What of the writer's schema can't be read by the reader's: where, what that one expects, what there is instead.

    `path` names the place of both. Raises UnsupportedSchema for a type that is not defined.
    """
    return list(_Comparison().between(writer, reader, path))


class _Comparison:
    """One comparison; named types that are being compared are not begun again."""

    def __init__(self) -> None:
        self._begun: set[tuple[str, str]] = set()

    def between(self, writer: Side, reader: Side, path: str) -> Iterator[Misfit]:
        """What does not fit at this place and below it."""
        branches = union(writer.found)
        if branches is not None:
            for branch in branches:
                yield from self.between(writer.at(branch), reader, path)
            return
        choices = union(reader.found)
        if choices is not None:
            yield from self._chosen(writer, [reader.at(choice) for choice in choices], path)
        elif (writer.word, reader.word) in _PROMOTED or writer.word == reader.word:
            yield from self._alike(writer, reader, path)
        else:
            yield Misfit(path=path, expected=reader.word, found=writer.word)

    def _chosen(self, writer: Side, choices: list[Side], path: str) -> Iterator[Misfit]:
        """The first of the reader's branches that is of the writer's type is what it is read as."""
        chosen = next((choice for choice in choices if _matches(writer, choice)), None)
        if chosen is None:
            yield Misfit(path=path, expected=" or ".join(choice.word for choice in choices), found=writer.word)
        else:
            yield from self.between(writer, chosen, path)

    def _alike(self, writer: Side, reader: Side, path: str) -> Iterator[Misfit]:
        other = list(_meanings(writer, reader, path))
        yield from other
        if reader.is_decimal and not other:
            yield from _digits(writer, reader, path)
        if not _matches(writer, reader):
            yield Misfit(path=path, expected=_named(reader), found=_named(writer))
        elif reader.word == "record":
            yield from self._records(writer, reader, path)
        elif reader.word == "enum":
            yield from _symbols(writer, reader, path)
        elif reader.word in ("array", "map"):
            part = "items" if reader.word == "array" else "values"
            yield from self.between(writer.at(writer.found[part]), reader.at(reader.found[part]), f"{path}[]")

    def _records(self, writer: Side, reader: Side, path: str) -> Iterator[Misfit]:
        if (writer.name, reader.name) in self._begun:
            return
        self._begun.add((writer.name, reader.name))
        there = {field["name"]: field for field in writer.found["fields"]}
        for field in reader.found["fields"]:
            where = f"{path}.{field['name']}".lstrip(".")
            names = [field["name"], *field.get("aliases", ())]
            written = next((there[name] for name in names if name in there), None)
            if written is not None:
                yield from self.between(writer.at(written["type"]), reader.at(field["type"]), where)
            elif "default" not in field:
                yield Misfit(path=where, expected=_said(reader.at(field["type"])), found="no such field")


def _matches(writer: Side, reader: Side) -> bool:
    """Whether a type is read as another one at all, whatever is inside."""
    if _is_named(writer.found) and _is_named(reader.found) and writer.word == reader.word:
        aliases = reader.found.get("aliases", ())
        short = writer.name.rpartition(".")[2]
        named = short == reader.name.rpartition(".")[2] or writer.name in aliases or short in aliases
        return named and writer.found.get("size") == reader.found.get("size")
    return writer.word == reader.word or (writer.word, reader.word) in _PROMOTED


def _symbols(writer: Side, reader: Side, path: str) -> Iterator[Misfit]:
    more = [symbol for symbol in writer.found["symbols"] if symbol not in reader.found["symbols"]]
    if more and not reader.found.get("default"):
        yield Misfit(path=path, expected=f"one of {', '.join(reader.found['symbols'])}", found=", ".join(more))


def _meanings(writer: Side, reader: Side, path: str) -> Iterator[Misfit]:
    """Whether values mean what is expected: by a name that both have, and no other name may differ."""
    wanted, there = reader.meanings, writer.meanings
    both = [one for one in wanted if one in there]
    other = next((one for one in both if wanted[one] != there[one]), None)
    if other is not None:
        yield Misfit(path=path, expected=wanted[other], found=there[other])
    elif wanted and not both:
        found = next(iter(there.values()), f"{writer.word} without a name")
        yield Misfit(path=path, expected=next(iter(wanted.values())), found=found)


def _digits(writer: Side, reader: Side, path: str) -> Iterator[Misfit]:
    """A decimal's scale is how its bytes are read, and more digits than expected need not fit."""
    (wide, scale), (most, wanted) = writer.digits, reader.digits
    if scale != wanted or (most is not None and (wide is None or wide > most)):
        yield Misfit(path=path, expected=_decimal(most, wanted), found=_decimal(wide, scale))


def _decimal(digits: int | None, scale: int) -> str:
    return f"decimal({'any' if digits is None else digits},{scale})"


def _is_named(schema: Avro) -> bool:
    return isinstance(schema, dict) and schema["type"] in _NAMED


def _named(side: Side) -> str:
    """A named type with its name, and its size where it has one."""
    size = side.found.get("size")
    return f"{side.word} {side.name}" + (f" of {size} bytes" if size is not None else "")


def _said(side: Side) -> str:
    rest, nullable = options(side.found)
    return f"{' or '.join(side.at(each).word for each in rest)}{', which may be null' if nullable else ''}"
