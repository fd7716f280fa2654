-- expand
-- What people have switched off while it runs.
CREATE TABLE headrace.flags (
    group_name text NOT NULL,
    flag text NOT NULL,
    is_on boolean NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (group_name, flag)
);

COMMENT ON TABLE headrace.flags IS
    'Flags that somebody has set, by group; one without a row has its default. Whether a single table is applied stands in `table_states`. `audit` keeps every change.';

ALTER TABLE headrace.workers ADD COLUMN flags_off text[] NOT NULL DEFAULT '{}';

COMMENT ON COLUMN headrace.workers.flags_off IS 'The flags that are off, as the worker has heard.';
