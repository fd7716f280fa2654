"""Dates, times and intervals of every source mode, in columns that are there and in ones that are created."""

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.values import Value, check, check_created, params
from tests.unit.semantic import (
    CONNECT_DATE,
    CONNECT_TIME,
    CONNECT_TIMESTAMP,
    DATE,
    INTERVAL,
    ISO_DATE,
    ISO_TIME,
    ISO_TIMESTAMP,
    MICRO_DURATION,
    MS,
    NANO_DURATION,
    NS,
    STRUCTURED_DATE,
    STRUCTURED_DURATION,
    STRUCTURED_TIME,
    STRUCTURED_TIMESTAMP,
    STRUCTURED_ZONED_TIME,
    STRUCTURED_ZONED_TIMESTAMP,
    TIME_MS,
    TIME_NS,
    TIME_US,
    US,
    ZONED,
    ZONED_TIME,
    filled,
)

DAY = 86_400_000_000
TIMESTAMP, ZONED_TYPE = "timestamp without time zone", "timestamp with time zone"
TIME, TIME_ZONED = "time without time zone", "time with time zone"

DATES = [
    Value(DATE, -2_440_588, "date", "4714-11-24 BC", "date"),
    Value(DATE, 2_145_042_905, "date", "5874897-12-31", "date"),
    Value(DATE, -2_147_472_692, "date", "infinity", "date"),
    Value(DATE, -2_147_472_691, "date", "-infinity", "date"),
    Value(CONNECT_DATE, 0, "date", "1970-01-01", "date"),
    Value(ISO_DATE, "2017-09-15Z", "date", "2017-09-15", "date"),
    Value(ISO_DATE, "+12024-02-29Z", "date", "12024-02-29", "date"),
    Value(ISO_DATE, "-0043-03-15Z", "date", "0044-03-15 BC", "date"),
    Value(ISO_DATE, "0000-12-31Z", "date", "0001-12-31 BC", "date"),
    Value(ISO_DATE, "-5877611-06-21Z", "date", "infinity", "date"),
    Value(ISO_DATE, "-5877611-06-22Z", "date", "-infinity", "date"),
    Value(ISO_DATE, "2017-09-15Z", "text", "2017-09-15Z"),
    Value(STRUCTURED_DATE, filled(STRUCTURED_DATE, year=-43, month=3, day=15), "date", "0044-03-15 BC", "date"),
    Value(STRUCTURED_DATE, filled(STRUCTURED_DATE, year=12024, month=2, day=29), "date", "12024-02-29", "date"),
    Value(STRUCTURED_DATE, filled(STRUCTURED_DATE, specialValue="POSITIVE_INFINITY"), "date", "infinity", "date"),
    Value(STRUCTURED_DATE, filled(STRUCTURED_DATE, specialValue="NEGATIVE_INFINITY"), "date", "-infinity", "date"),
]
TIMES = [
    Value(TIME_MS, 86_400_000, "time", "24:00:00", TIME),
    Value(TIME_US, DAY, "time", "24:00:00", TIME),
    Value(TIME_NS, DAY * 1000, "time", "24:00:00", TIME),
    Value(CONNECT_TIME, 86_399_999, "time", "23:59:59.999", TIME),
    # of MySQL, whose times are spans
    Value(TIME_US, 3_020_399_000_000, "interval", "838:59:59"),
    Value(TIME_US, -3_020_399_000_000, "interval", "-838:59:59"),
    Value(TIME_MS, 86_400_001, "interval", "24:00:00.001"),
    Value(TIME_NS, 1_000, "interval", "00:00:00.000001"),
    Value(ISO_TIME, "23:59:59.999999Z", "time", "23:59:59.999999", TIME),
    Value(ISO_TIME, "00:00Z", "time", "00:00:00", TIME),
    Value(ZONED_TIME, "23:59:59.999999Z", "timetz", "23:59:59.999999+00", TIME_ZONED),
    Value(ZONED_TIME, "24:00:00Z", "timetz", "24:00:00+00", TIME_ZONED),
    Value(ZONED_TIME, "12:34Z", "timetz", "12:34:00+00", TIME_ZONED),
    Value(STRUCTURED_TIME, filled(STRUCTURED_TIME, hour=24, minute=0, second=0, nanos=0), "time", "24:00:00", TIME),
    Value(
        STRUCTURED_TIME,
        filled(STRUCTURED_TIME, hour=1, minute=2, second=3, nanos=4000),
        "time",
        "01:02:03.000004",
        TIME,
    ),
    Value(
        STRUCTURED_ZONED_TIME,
        filled(STRUCTURED_ZONED_TIME, hour=24, minute=0, second=0, nanos=0, offsetSeconds=-19_800),
        "timetz",
        "24:00:00-05:30",
        TIME_ZONED,
    ),
]
TIMESTAMPS = [
    Value(MS, 253_402_300_800_000, "timestamp", "10000-01-01", TIMESTAMP),
    Value(MS, 9_224_318_015_999_999, "timestamp", "294276-12-31 23:59:59.999", TIMESTAMP),
    Value(MS, 9_223_372_036_825_200, "timestamp", "infinity", TIMESTAMP),
    Value(MS, 9_223_372_036_825_199, "timestamp", "294247-01-10 04:00:25.199", TIMESTAMP),
    Value(MS, -9_223_372_036_832_400, "timestamp", "-infinity", TIMESTAMP),
    Value(CONNECT_TIMESTAMP, -62_167_219_200_001, "timestamp", "0002-12-31 23:59:59.999 BC", TIMESTAMP),
    Value(US, 9_223_372_036_825_200_000, "timestamp", "infinity", TIMESTAMP),
    Value(US, -9_223_372_036_832_400_000, "timestamp", "-infinity", TIMESTAMP),
    Value(US, 9_223_371_331_200_000_000, "timestamp", "294247-01-02", TIMESTAMP),
    Value(US, 9_223_372_036_825_199_999, "timestamp", "294247-01-10 04:00:25.199999", TIMESTAMP),
    Value(US, -210_866_803_200_000_000, "timestamp", "4714-11-24 BC", TIMESTAMP),
    Value(NS, 2**63 - 1, "timestamp", "infinity", TIMESTAMP),
    Value(NS, -(2**63), "timestamp", "-infinity", TIMESTAMP),
    Value(ISO_TIMESTAMP, "2017-09-15T12:34:56.123456Z", "timestamp", "2017-09-15 12:34:56.123456", TIMESTAMP),
    Value(ISO_TIMESTAMP, "2017-09-15T12:34Z", "timestamp", "2017-09-15 12:34:00", TIMESTAMP),
    Value(ISO_TIMESTAMP, "+12024-02-29T00:00:00Z", "timestamp", "12024-02-29", TIMESTAMP),
    Value(ISO_TIMESTAMP, "-0043-03-15T12:00:00.5Z", "timestamp", "0044-03-15 12:00:00.5 BC", TIMESTAMP),
    Value(ISO_TIMESTAMP, "+294247-01-10T04:00:25.2Z", "timestamp", "infinity", TIMESTAMP),
    Value(ISO_TIMESTAMP, "-290308-12-21T19:59:27.6Z", "timestamp", "-infinity", TIMESTAMP),
    Value(ZONED, "infinity", "timestamptz", "infinity", ZONED_TYPE),
    Value(ZONED, "-infinity", "timestamptz", "-infinity", ZONED_TYPE),
    Value(ZONED, "-4713-11-24T00:00:00Z", "timestamptz", "4714-11-24 00:00:00+00 BC", ZONED_TYPE),
    Value(ZONED, "+294276-12-31T23:59:59.999999Z", "timestamptz", "294276-12-31 23:59:59.999999+00", ZONED_TYPE),
    Value(
        STRUCTURED_TIMESTAMP,
        filled(STRUCTURED_TIMESTAMP, year=-4713, month=11, day=24, hour=0, minute=0, second=0, nanos=1000),
        "timestamp",
        "4714-11-24 00:00:00.000001 BC",
        TIMESTAMP,
    ),
    Value(
        STRUCTURED_TIMESTAMP, filled(STRUCTURED_TIMESTAMP, specialValue="NEGATIVE_INFINITY"), "timestamp", "-infinity"
    ),
    Value(
        STRUCTURED_ZONED_TIMESTAMP,
        filled(
            STRUCTURED_ZONED_TIMESTAMP,
            year=12024,
            month=2,
            day=29,
            hour=1,
            minute=2,
            second=3,
            nanos=0,
            offsetSeconds=3600,
            zoneId="GMT",
        ),
        "timestamptz",
        "12024-02-29 01:02:03+01",
        ZONED_TYPE,
    ),
    Value(
        STRUCTURED_ZONED_TIMESTAMP,
        filled(STRUCTURED_ZONED_TIMESTAMP, specialValue="POSITIVE_INFINITY"),
        "timestamptz",
        "infinity",
        ZONED_TYPE,
    ),
]
# narrower columns that keep all of them
FITTING = [
    Value(US, 1_709_210_096_123_000, "timestamp(3)", "2024-02-29 12:34:56.123"),
    Value(US, 9_223_372_036_825_200_000, "timestamp(0)", "infinity"),
    Value(US, -9_223_372_036_832_400_000, "date", "-infinity"),
    Value(US, -86_400_000_000, "date", "1969-12-31"),
    Value(DATE, 0, "timestamp(0)", "1970-01-01"),
    Value(TIME_US, DAY, "time(0)", "24:00:00"),
    Value(ZONED, "2024-02-29T12:34:56.120Z", "timestamptz(2)", "2024-02-29 12:34:56.12+00"),
    Value(INTERVAL, "P0Y0M0DT0H0M6.700S", "interval(1)", "6.7 seconds"),
]
INTERVALS = [
    Value(MICRO_DURATION, -(2**63), "interval", "-9223372036854.775808 seconds", "interval"),
    Value(MICRO_DURATION, 2**63 - 1, "interval", "9223372036854.775807 seconds", "interval"),
    Value(MICRO_DURATION, 1, "interval", "0.000001 seconds", "interval"),
    Value(MICRO_DURATION, 1_500_000, "text", "00:00:01.5"),
    Value(NANO_DURATION, 1_500_000_000, "interval", "1.5 seconds", "interval"),
    Value(INTERVAL, "P1Y2M3DT4H5M6.7S", "interval", "1 year 2 mons 3 days 04:05:06.7", "interval"),
    Value(INTERVAL, "P-1Y-2M3DT-4H-5M-6.789012S", "interval", "-1 year -2 mons 3 days -04:05:06.789012", "interval"),
    Value(INTERVAL, "P0Y0M0DT0H0M0S", "interval", "0", "interval"),
    Value(INTERVAL, "P178000000Y0M0DT0H0M0S", "interval", "178000000 years", "interval"),
    Value(
        STRUCTURED_DURATION,
        filled(STRUCTURED_DURATION, years=-1, months=2, days=3, hours=-4, minutes=5, seconds=-6, nanos=-7000),
        "interval",
        "-1 years +2 mons 3 days -03:55:06.000007",
        "interval",
    ),
]
ALL = [*DATES, *TIMES, *TIMESTAMPS, *FITTING, *INTERVALS]


@pytest.mark.parametrize("value", params(ALL))
def test_a_time_arrives(session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value) -> None:
    """Into a column that is there."""
    check(session, sink, table, value)


@pytest.mark.parametrize("value", params(ALL, created=True))
def test_a_time_arrives_in_a_created_column(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Into a column of a type that is chosen for it."""
    check_created(session, sink, table, value)
