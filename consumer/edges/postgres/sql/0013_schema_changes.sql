-- Changes of target tables: planned, waiting for a person, made.
CREATE TABLE headrace.schema_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    table_name text NOT NULL,
    topic text NOT NULL,
    -- the id of the writer schema that needs the change
    schema_id bigint NOT NULL,
    -- by step: the kind of change, why, and the statement
    steps jsonb NOT NULL,
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

CREATE UNIQUE INDEX schema_changes_waiting ON headrace.schema_changes (group_name, table_name, md5(steps::text)) WHERE state IN ('planned', 'approved', 'refused');

COMMENT ON TABLE headrace.schema_changes IS
    'Changes of target tables. `planned` waits for a person, `approved` for the next rows that need it; `refused` is not made by Headrace as the settings are, `superseded` is not needed any more.';

CREATE TABLE headrace.source_columns (
    group_name text NOT NULL,
    table_name text NOT NULL,
    column_name text NOT NULL,
    schema_id bigint NOT NULL,
    PRIMARY KEY (group_name, table_name, column_name)
);

COMMENT ON TABLE headrace.source_columns IS
    'Columns that the source of a target table has had, so that no other column is ever dropped.';
COMMENT ON COLUMN headrace.source_columns.schema_id IS
    'The newest writer schema that had the column, or with which it was dropped: only a newer one may drop it.';
