"""Shapes: Debezium's records of them in the binary forms of PostgreSQL's own types, and as extended well-known binary.

Well-known binary: byte order, type, then numbers; PostGIS's extension of it holds the reference system too.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from consumer.core.forms import Unfit

Record = Mapping[str, Any]
_SRID = 0x2000_0000
# the connector reads a number without a sign as one with it
_U32 = 0xFFFF_FFFF
_POINT, _LINE, _POLYGON = 1, 2, 3
_REMEDY = "Make the target column geometry (PostGIS), or bytea for its well-known binary."
# of x and y
_PAIR = 16


def ewkb(value: Record) -> bytes:
    """Extended well-known binary: with the reference system where there is one."""
    if dict(value.get("extensions") or {}).get("closed") == "true":
        raise Unfit("a shape that well-known binary can say", "a closed path", "Make the target column path.")
    wkb, srid = value.get("wkb"), value.get("srid")
    if wkb is None:
        wkb = struct.pack("<BIdd", 1, _POINT, value["x"], value["y"])
    if not srid:
        return bytes(wkb)
    order = _order(wkb)
    kind = _unpacked(f"{order}I", wkb, 1)[0]
    if kind & _SRID:
        return bytes(wkb)
    return bytes(wkb[:1]) + struct.pack(f"{order}II", kind | _SRID, srid & _U32) + bytes(wkb[5:])


def ewkb_text(value: Record) -> str:
    """The same as PostGIS writes it."""
    return ewkb(value).hex().upper()


def circle(value: Record) -> bytes:
    """PostgreSQL's circle."""
    center = value["center"]
    return struct.pack(">ddd", center["x"], center["y"], value["radius"])


def line(value: Record) -> bytes:
    """PostgreSQL's line."""
    return struct.pack(">ddd", value["a"], value["b"], value["c"])


def _point(value: Record) -> bytes:
    if "x" in value and value.get("x") is not None:
        _without_system(value)
        return struct.pack(">dd", value["x"], value["y"])
    return b"".join(_points(value, _POINT))


def _box(value: Record) -> bytes:
    ring = _points(value, _POLYGON)
    if len(ring) != 5:
        raise Unfit("the ring of a box, of five points", f"one of {len(ring)}", _REMEDY)
    return ring[0] + ring[2]


def _lseg(value: Record) -> bytes:
    points = _points(value, _LINE)
    if len(points) != 2:
        raise Unfit("a segment of two points", f"a line of {len(points)}", _REMEDY)
    return b"".join(points)


def _path(value: Record) -> bytes:
    closed = dict(value.get("extensions") or {}).get("closed")
    if closed not in ("true", "false"):
        raise Unfit("whether the path is closed", "a shape that does not say it", _REMEDY)
    points = _points(value, _LINE)
    return struct.pack(">?I", closed == "true", len(points)) + b"".join(points)


def _polygon(value: Record) -> bytes:
    points = _points(value, _POLYGON)
    # the ring of well-known binary ends where it begins, but for that of one point
    points = points[:-1] if len(points) > 1 else points
    return struct.pack(">I", len(points)) + b"".join(points)


NATIVE: dict[str, Callable[[Record], bytes]] = {
    "point": _point,
    "box": _box,
    "lseg": _lseg,
    "path": _path,
    "polygon": _polygon,
    "bytea": ewkb,
}
"""By the name of the type that takes the bytes."""


def _points(value: Record, wanted: int) -> list[bytes]:
    """The points of a shape of the wanted type, each as PostgreSQL sends it."""
    _without_system(value)
    wkb: bytes = value.get("wkb") or b""
    order = _order(wkb)
    (kind,) = _unpacked(f"{order}I", wkb, 1)
    at, count = 5, 1
    if kind != wanted:
        raise Unfit(f"well-known binary of type {wanted}", f"one of type {kind}", _REMEDY)
    if kind == _POLYGON:
        (rings,) = _unpacked(f"{order}I", wkb, at)
        at += 4
        if rings != 1:
            raise Unfit("a polygon of one ring", f"one of {rings}", _REMEDY)
    if kind != _POINT:
        (count,) = _unpacked(f"{order}I", wkb, at)
        at += 4
    if len(wkb) != at + count * _PAIR:
        raise Unfit(f"well-known binary of {at + count * _PAIR} bytes", f"{len(wkb)}", _REMEDY)
    return [struct.pack(">dd", *_unpacked(f"{order}dd", wkb, at + place * _PAIR)) for place in range(count)]


def _without_system(value: Record) -> None:
    if value.get("srid"):
        raise Unfit("a shape without a reference system", "one that has one", _REMEDY)


def _order(wkb: bytes) -> str:
    if not wkb or wkb[0] not in (0, 1):
        raise Unfit("well-known binary", "bytes that do not begin with its byte order", _REMEDY)
    return "<" if wkb[0] else ">"


def _unpacked(form: str, wkb: bytes, at: int) -> tuple[Any, ...]:
    if len(wkb) < at + struct.calcsize(form):
        raise Unfit("well-known binary", "bytes that end within it", _REMEDY)
    return struct.unpack_from(form, wkb, at)
