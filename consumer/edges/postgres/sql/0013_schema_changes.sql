-- Changes of target tables: planned, waiting for a person, made.
CREATE TABLE headrace.schema_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    table_name text NOT NULL,
    topic text NOT NULL,
    -- the id of the writer schema that needs the change; of several the last one that was looked at
    schema_id bigint NOT NULL,
    -- the kind of change, its statement, and why it is needed
    change text NOT NULL,
    statement text NOT NULL,
    why text NOT NULL,
    -- what tells it from the table's other changes
    goal text NOT NULL,
    state text NOT NULL CHECK (state IN ('planned', 'approved', 'refused', 'applied', 'superseded')),
    -- why it is not made by itself
    kind text,
    reason text,
    remedy text,
    planned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- who approved it (user and machine), when, and why
    decided_by text,
    decided_at timestamptz,
    decided_why text,
    -- the worker that made it, and when
    applied_by text,
    applied_at timestamptz,
    -- why the target did not take it last: kind, detail, remedy, code
    error jsonb
);

-- one plan of a change, whoever plans it, so that what a person agreed to is found again
CREATE UNIQUE INDEX schema_changes_waiting ON headrace.schema_changes (group_name, table_name, md5(goal)) WHERE state IN ('planned', 'approved', 'refused');

COMMENT ON TABLE headrace.schema_changes IS
    'Changes of target tables, a row for each step. `planned` waits for a person, `approved` for the next rows that need it; `refused` is not made by Headrace as the settings are, `superseded` is not needed any more. Those that wait for nothing are deleted after evolution.keep_hours.';

CREATE TABLE headrace.source_columns (
    group_name text NOT NULL,
    table_name text NOT NULL,
    source_name text NOT NULL,
    target_name text,
    schema_id bigint NOT NULL,
    PRIMARY KEY (group_name, table_name, source_name)
);

COMMENT ON TABLE headrace.source_columns IS
    'Columns that the source of a target table has had, so that no other column is ever dropped.';
COMMENT ON COLUMN headrace.source_columns.target_name IS
    'The column of the table that has its values. None once that is gone: another one of the same name is not the source''s.';
COMMENT ON COLUMN headrace.source_columns.schema_id IS
    'The newest writer schema that had the column, or with which it was dropped: only a newer one may drop it.';
