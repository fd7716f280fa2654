"""Geometric values without PostGIS: PostgreSQL's own types, or the bytes of the shape."""

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.values import Value, check, check_created, params
from tests.unit.semantic import CIRCLE, GEOGRAPHY, LINE, OLD_SHAPE, POINT, SHAPE, filled, propagated

# little-endian: byte order, type, number of rings or points, coordinates
ONE, TWO, THREE, ZERO = "000000000000F03F", "0000000000000040", "0000000000000840", "0000000000000000"
WKB_POINT = bytes.fromhex("0101000000" + ONE + TWO)
# the same of the reference system 4326
EWKB_POINT = bytes.fromhex("0101000020E6100000" + ONE + TWO)
BIG_ENDIAN_POINT = bytes.fromhex("00000000013FF00000000000004000000000000000")
SEGMENT = bytes.fromhex("010200000002000000" + ONE + TWO + THREE + ZERO)
RING = "010300000001000000"
BOX = bytes.fromhex(RING + "05000000" + THREE + TWO + THREE + ONE + ZERO + ONE + ZERO + TWO + THREE + TWO)
TRIANGLE = bytes.fromhex(RING + "04000000" + ZERO + ZERO + ONE + ZERO + ZERO + TWO + ZERO + ZERO)


def shape(wkb: bytes, **extensions: str) -> dict[str, object]:
    """A Geometry that stands for one of PostgreSQL's own types."""
    return filled(SHAPE, wkb=wkb, extensions=extensions or None)


ALL = [
    Value(POINT, filled(POINT, x=1.0, y=-0.0, wkb=WKB_POINT), "point", "(1,-0)", "point"),
    Value(POINT, filled(POINT, x=5e-324, y=1e308), "point", "(5e-324,1e308)", "point"),
    Value(["null", POINT], None, "point", None, "point"),
    Value(CIRCLE, {"center": filled(POINT, x=1.0, y=2.0), "radius": 0.1}, "circle", "<(1,2),0.1>", "circle"),
    Value(LINE, {"a": 1.5, "b": -1.0, "c": 0.1}, "line", "{1.5,-1,0.1}", "line"),
    Value(SHAPE, shape(BOX, type="box"), "box", "(3,2),(0,1)"),
    Value(propagated(SHAPE, "BOX"), shape(BOX, type="box"), "box", "(3,2),(0,1)", "box"),
    Value(propagated(SHAPE, "LSEG"), shape(SEGMENT, type="lseg"), "lseg", "[(1,2),(3,0)]", "lseg"),
    Value(propagated(SHAPE, "PATH"), shape(SEGMENT, type="path", closed="false"), "path", "[(1,2),(3,0)]", "path"),
    Value(propagated(SHAPE, "PATH"), shape(SEGMENT, type="path", closed="true"), "path", "((1,2),(3,0))", "path"),
    Value(propagated(SHAPE, "POLYGON"), shape(TRIANGLE, type="polygon"), "polygon", "((0,0),(1,0),(0,2))", "polygon"),
    Value(SHAPE, shape(bytes.fromhex(RING + "01000000" + ONE + TWO)), "polygon", "((1,2))"),
    Value(SHAPE, shape(WKB_POINT), "point", "(1,2)"),
    Value(OLD_SHAPE, filled(OLD_SHAPE, wkb=BIG_ENDIAN_POINT), "point", "(1,2)"),
    # without PostGIS: extended well-known binary, which holds the reference system
    Value(SHAPE, filled(SHAPE, wkb=WKB_POINT, srid=4326), "bytea", "\\x" + EWKB_POINT.hex(), "bytea"),
    Value(SHAPE, filled(SHAPE, wkb=EWKB_POINT, srid=4326), "bytea", "\\x" + EWKB_POINT.hex(), "bytea"),
    Value(SHAPE, filled(SHAPE, wkb=WKB_POINT), "bytea", "\\x" + WKB_POINT.hex(), "bytea"),
    Value(GEOGRAPHY, filled(GEOGRAPHY, wkb=WKB_POINT, srid=4326), "text", EWKB_POINT.hex().upper()),
    Value(GEOGRAPHY, filled(GEOGRAPHY, wkb=WKB_POINT, srid=4326), "bytea", "\\x" + EWKB_POINT.hex(), "bytea"),
    Value(POINT, filled(POINT, x=1.0, y=2.0, srid=4326), "bytea", "\\x" + EWKB_POINT.hex()),
    Value(CIRCLE, {"center": filled(POINT, x=1.0, y=2.0), "radius": 0.5}, "text", "<(1,2),0.5>"),
]


@pytest.mark.parametrize("value", params(ALL))
def test_a_shape_arrives(session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value) -> None:
    """Into a column that is there."""
    check(session, sink, table, value)


@pytest.mark.parametrize("value", params(ALL, created=True))
def test_a_shape_arrives_in_a_created_column(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Into a column of a type that is chosen for it."""
    check_created(session, sink, table, value)
