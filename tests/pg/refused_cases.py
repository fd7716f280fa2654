"""Tables and changes of which some rows are refused, and which."""

from tests.pg.searching import (
    CANARY,
    Change,
    Refused,
    made,
    partly,
    row,
)

PLAIN = "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word text, n int4)"


LOOSE = "CREATE TABLE {s}.t (id int8, word text, n int4)"


PARENT = "CREATE TABLE {s}.parent (n int4 PRIMARY KEY); INSERT INTO {s}.parent VALUES (0); "


TRIGGER = (
    "; CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.word = 'sesame' THEN {raise}"
    " END IF; RETURN NEW; END $$;"
    " CREATE TRIGGER no BEFORE INSERT OR UPDATE ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.no()"
)


MIXED = made(row(0), row(1, CANARY), row(2), row(3), row(4, CANARY))


def raising(statement: str, table: str = PLAIN) -> str:
    """A table whose trigger does that for the canary."""
    return table + TRIGGER.replace("{raise}", statement)


def both(kind: str, code: str) -> Refused:
    """The refused rows of `MIXED`."""
    return {1: (kind, code), 4: (kind, code)}


CASES: dict[str, tuple[str, list[Change], Refused]] = {
    "nothing": (PLAIN, MIXED, {}),
    "check": (PLAIN[:-1] + ", CHECK (word <> 'sesame'))", MIXED, both("record.check", "23514")),
    "not null": (
        "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word text NOT NULL, n int4)",
        made(row(0, None), row(1)),
        {0: ("record.null", "23502")},
    ),
    "too long": (
        "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word varchar(3), n int4)",
        MIXED,
        both("record.value", "22001"),
    ),
    "out of range": (
        "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word text, n numeric(3))",
        made(row(0), row(1, n=1000), row(2)),
        {1: ("record.value", "22003")},
    ),
    "no number": (
        "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word numeric, n int4)",
        made(row(0, "1"), row(1, CANARY)),
        {1: ("record.value", "22P02")},
    ),
    "reference": (
        PARENT + PLAIN[:-1] + ", FOREIGN KEY (n) REFERENCES {s}.parent)",
        made(row(0), row(1, n=7), row(2), row(3, n=8)),
        {1: ("record.reference", "23503"), 3: ("record.reference", "23503")},
    ),
    "deferred reference": (
        PARENT + PLAIN[:-1] + ", FOREIGN KEY (n) REFERENCES {s}.parent DEFERRABLE INITIALLY DEFERRED)",
        made(row(0), row(1, n=7), row(2)),
        {1: ("record.reference", "23503")},
    ),
    "rows that refer to later ones": (
        PLAIN[:-1].replace("n int4", "n int8") + ", FOREIGN KEY (n) REFERENCES {s}.t (id))",
        made(row(0, n=2), row(1, n=9), row(2, n=4), row(3, n=1), row(4, n=None)),
        {1: ("record.reference", "23503"), 3: ("record.reference", "23503")},
    ),
    "rows that refer to one another": (
        PLAIN[:-1].replace("n int4", "n int8") + ", FOREIGN KEY (n) REFERENCES {s}.t (id), CHECK (word <> 'sesame'))",
        made(row(0, n=3), row(1, CANARY, None), row(3, n=0)),
        {1: ("record.check", "23514")},
    ),
    "further unique": (
        PLAIN[:-1] + ", UNIQUE (word)); INSERT INTO {s}.t VALUES (9, 'sesame')",
        made(row(0, "a"), row(1, CANARY), row(2, "a"), row(3, "b")),
        {1: ("record.unique", "23505"), 2: ("record.unique", "23505")},
    ),
    "unique once a later row is there": (
        PLAIN[:-1] + ", UNIQUE (word)); INSERT INTO {s}.t VALUES (1, 'a')",
        made(row(0, "a"), row(1, "b")),
        {},
    ),
    "exclusion": (
        PLAIN[:-1] + ", EXCLUDE (word WITH =)); INSERT INTO {s}.t VALUES (9, 'sesame')",
        made(row(0, "a"), row(1, CANARY), row(2, "a"), row(3, "b")),
        {1: ("record.unique", "23P01"), 2: ("record.unique", "23P01")},
    ),
    "excluded until a later row is there": (
        PLAIN[:-1] + ", EXCLUDE (word WITH =)); INSERT INTO {s}.t VALUES (1, 'a')",
        made(row(0, "a"), row(1, "b")),
        {},
    ),
    "trigger": (
        raising("RAISE EXCEPTION 'no %', NEW.word;"),
        MIXED,
        both("record.trigger", "P0001"),
    ),
    "state of a trigger's own": (
        raising("RAISE EXCEPTION 'no %', NEW.word USING ERRCODE = 'MY001';"),
        MIXED,
        both("record.trigger", "MY001"),
    ),
    "unknown state in a trigger's statement": (
        raising("EXECUTE 'SELECT currval(''{s}.never'')';", "CREATE SEQUENCE {s}.never; " + PLAIN),
        MIXED,
        both("record.trigger", "55000"),
    ),
    "trigger of a replacement's delete": (
        LOOSE
        + TRIGGER.replace("{raise}", "RAISE EXCEPTION 'no' USING ERRCODE = 'MY001';")
        .replace("NEW", "OLD")
        .replace("INSERT OR UPDATE", "DELETE")
        + "; INSERT INTO {s}.t VALUES (0, 'a'), (1, 'sesame'), (2, 'a')",
        made(row(0), row(1), row(2)),
        {1: ("record.trigger", "MY001")},
    ),
    "assertion of a trigger": (raising("ASSERT false, NEW.word;"), MIXED, both("record.trigger", "P0004")),
    "unknown state of a trigger": (
        raising("RAISE EXCEPTION 'no' USING ERRCODE = '23999', COLUMN = 'word';"),
        MIXED,
        both("record.check", "23999"),
    ),
    "all": (
        PLAIN[:-1] + ", CHECK (id < 0))",
        made(*map(row, range(5))),
        dict.fromkeys(range(5), ("record.check", "23514")),
    ),
    "no base": (
        PLAIN + "; INSERT INTO {s}.t VALUES (0), (2)",
        partly(row(0), row(1), row(2), row(3)),
        {1: ("record.missing_base", ""), 3: ("record.missing_base", "")},
    ),
    "two bases": (
        LOOSE + "; INSERT INTO {s}.t VALUES (0), (1), (1), (2)",
        partly(row(0), row(1), row(2), row(3)),
        {1: ("record.many_bases", ""), 3: ("record.missing_base", "")},
    ),
    "check of an update": (
        PLAIN[:-1] + ", CHECK (n < 5)); INSERT INTO {s}.t VALUES (0), (1), (2)",
        partly(row(0), row(1, n=5), row(2)),
        {1: ("record.check", "23514")},
    ),
    "replacement": (LOOSE[:-1] + ", CHECK (word <> 'sesame'))", MIXED, both("record.check", "23514")),
    "replacement that refers": (
        PARENT + LOOSE[:-1] + ", FOREIGN KEY (n) REFERENCES {s}.parent, UNIQUE (word));"
        " INSERT INTO {s}.t VALUES (1, 'old', 0), (4, 'a', 0), (9, 'sesame', 0)",
        made(row(0, "a"), row(1, "b", 7), row(2, CANARY), row(3, "c"), row(4, "d")),
        {1: ("record.reference", "23503"), 2: ("record.unique", "23505")},
    ),
    "replaced row that is referred to": (
        "CREATE TABLE {s}.t (id int8, word text, n int4 UNIQUE); INSERT INTO {s}.t VALUES (0, 'old', 0), (1, 'old', 1);"
        " CREATE TABLE {s}.c (n int4 REFERENCES {s}.t (n)); INSERT INTO {s}.c VALUES (1)",
        made(row(0, n=0), row(1, n=1), row(2, n=2)),
        {1: ("record.reference", "23503")},
    ),
    "delete": (
        PLAIN + "; INSERT INTO {s}.t VALUES (0), (1), (2), (3); CREATE TABLE {s}.c (id int8 REFERENCES {s}.t);"
        " INSERT INTO {s}.c VALUES (2)",
        [("d", row(number)) for number in range(4)],
        {2: ("record.reference", "23503")},
    ),
    "restricted delete": (
        PLAIN + "; INSERT INTO {s}.t VALUES (0), (1), (2), (3);"
        " CREATE TABLE {s}.c (id int8 REFERENCES {s}.t ON DELETE RESTRICT); INSERT INTO {s}.c VALUES (2)",
        [("d", row(number)) for number in range(4)],
        {2: ("record.reference", "23001")},
    ),
    "restricted delete of what refers to itself": (
        PLAIN[:-1].replace("n int4", "n int8") + ", FOREIGN KEY (n) REFERENCES {s}.t (id) ON DELETE RESTRICT);"
        " INSERT INTO {s}.t VALUES (0, 'a', NULL), (1, 'a', 0), (2, 'a', 1), (3, 'a', 2)",
        [("d", row(number)) for number in range(3)],
        {0: ("record.reference", "23001"), 1: ("record.reference", "23001"), 2: ("record.reference", "23001")},
    ),
}
