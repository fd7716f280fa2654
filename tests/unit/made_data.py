"""Random data of a schema, sound and damaged: by chance, so that hypothesis has only columns to draw."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from consumer.core.envelope import read_writer_schema
from tests.unit import semantic
from tests.unit.avro import Writer, envelope, event
from tests.unit.made_schemas import columns, with_names
from tests.unit.semantic import VARIABLE, unscaled

_INTS = (0, 1, -1, 63, 64, -65, 2**31 - 1, -(2**31))
_LONGS = (*_INTS, 2**63 - 1, -(2**63), 2**35)
_FLOATS = (0.0, -0.0, 1.5, -2.25, math.inf, -math.inf, math.nan)
_LETTERS = "ab'\"\\é€😀\0 \n"


def _decimal(schema: Any, chance: random.Random) -> Decimal:
    most = 10 ** schema["precision"] - 1
    unscaled = chance.choice((0, most, -most, chance.randint(-most, most)))
    return Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -schema["scale"]))


Names = dict[str, Any]


def names_of(schema: Any, space: str = "") -> Names:
    """All types of a schema that have names, by these as they may be written."""
    found: Names = {}
    for part in schema if isinstance(schema, list) else [schema]:
        if isinstance(part, dict):
            inner = part.get("namespace", space)
            if "name" in part:
                found |= {part["name"]: part, f"{inner}.{part['name']}": part}
            for kind in (*(field["type"] for field in part.get("fields", ())), part.get("items"), part.get("values")):
                found |= names_of(kind, inner)
            if isinstance(part["type"], dict | list):
                found |= names_of(part["type"], inner)
    return found


def value_of(schema: Any, chance: random.Random, names: Names) -> Any:
    """Some value of a schema, whose named types are known."""
    if isinstance(schema, list):
        return None if chance.random() < 0.3 else value_of(next(b for b in schema if b != "null"), chance, names)
    if isinstance(schema, str) and schema in names:
        return _complex(names[schema], chance, names)
    if isinstance(schema, dict):
        return _complex(schema, chance, names)
    makers: dict[str, Callable[[], Any]] = {
        "int": lambda: chance.choice((*_INTS, chance.randint(-(2**31), 2**31 - 1))),
        "long": lambda: chance.choice((*_LONGS, chance.randint(-(2**63), 2**63 - 1))),
        "float": lambda: chance.choice(_FLOATS),
        "double": lambda: chance.choice((*_FLOATS, chance.random(), 1e308, 5e-324)),
        "boolean": lambda: chance.random() < 0.5,
        "string": lambda: "".join(chance.choices(_LETTERS, k=chance.choice((0, 1, 7, 70)))),
        "bytes": lambda: chance.randbytes(chance.choice((0, 1, 7, 70))),
    }
    return makers[schema]()


def _complex(schema: Any, chance: random.Random, names: Names) -> Any:
    kind = schema["type"]
    if schema.get("connect.name") == VARIABLE["connect.name"]:
        return {"scale": chance.choice((0, 2, 40, -3)), "value": unscaled(chance.randint(-(10**50), 10**50))}
    if kind == "record":
        return {field["name"]: value_of(field["type"], chance, names) for field in schema["fields"]}
    if kind == "enum":
        return chance.choice(schema["symbols"])
    if kind == "bytes" and "precision" in schema:
        return _decimal(schema, chance)
    # in the shortest form, as Java writes it: any other comes back as another one of the same number
    if schema.get("connect.name") == semantic.CONNECT + "Decimal":
        return unscaled(int.from_bytes(chance.randbytes(chance.choice((1, 7, 70))), "big", signed=True))
    if kind not in ("array", "map"):
        return value_of(kind, chance, names)
    count = chance.choice((0, 1, 3))
    if kind == "array":
        return [value_of(schema["items"], chance, names) for _ in range(count)]
    return {f"k{index}": value_of(schema["values"], chance, names) for index in range(count)}


@dataclass(frozen=True, slots=True)
class Case:
    """A schema and sound data of it."""

    text: str
    rewritten: str
    data: list[bytes]
    chance: random.Random


@st.composite
def cases(draw: st.DrawFn, enums: bool) -> Case:
    """Envelopes of random rows: at least as many as the columnar decoder wants."""
    kinds = draw(columns(enums))
    made: list[str] = []
    fields = [{"name": "id", "type": "int"}]
    fields += [{"name": f"c{index}", "type": with_names(kind, made)} for index, kind in enumerate(kinds)]
    chance = random.Random(draw(st.integers(0, 2**32)))
    schema = envelope(fields)
    writer, names = Writer(schema), names_of(schema)
    row = schema["fields"][0]["type"][1]
    data = []
    for _ in range(chance.randint(20, 50)):
        op = chance.choice("crud")
        before = value_of(row, chance, names) if op in "ud" and chance.random() < 0.7 else None
        data.append(writer.datum(event(op, before, None if op == "d" else value_of(row, chance, names))))
    rewritten = read_writer_schema(writer.text).rewritten
    assert rewritten is not None
    return Case(writer.text, rewritten.text, data, chance)


def damaged(datum: bytes, other: bytes, chance: random.Random) -> bytes:
    """The datum cut, with a surplus, doubled, shifted, with flipped bits, or one of another schema."""
    at = chance.randrange(len(datum))
    some = chance.randbytes(chance.randint(1, 4))
    kinds: list[Callable[[], bytes]] = [
        lambda: datum[:at],
        lambda: datum + some,
        lambda: datum + datum,
        lambda: datum[1:] + some[:1],
        lambda: some[:1] + datum[:-1],
        lambda: datum[:at] + bytes([datum[at] ^ 1 << chance.randrange(8)]) + datum[at + 1 :],
        lambda: datum[:at] + some + datum[at + len(some) :],
        lambda: datum[:at] + some[:1] + datum[at:],
        lambda: datum[:at] + datum[at + 1 :],
        lambda: other,
    ]
    return chance.choice(kinds)()
