-- What was put right without a hand, so that people see that it was, and how often.
CREATE TABLE headrace.healing (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    worker text NOT NULL,
    act text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    -- how often in a row
    times integer NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX healing_last ON headrace.healing (group_name, last_at);

COMMENT ON TABLE headrace.healing IS
    'Acts of self-healing. The same act on the same subject for the same reason within a minute is one row, with its number.';
