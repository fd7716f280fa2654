-- What truncates leave behind: where changes of other partitions come later, those in front of it are kept out.
ALTER TABLE headrace.target_tables ADD COLUMN floor bigint;

COMMENT ON COLUMN headrace.target_tables.floor IS
    'Where the last truncate that was applied stands in the source''s log; older changes of the table are kept out. Only of tables with a version column.';

-- A changed key comes as a delete and a create, which travel independently; the create may lack what had not changed.
CREATE TABLE headrace.moved (
    table_name text NOT NULL,
    -- of the event that both halves are from
    token text NOT NULL,
    columns jsonb NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (table_name, token)
);

CREATE INDEX moved_kept ON headrace.moved (kept_at);

COMMENT ON TABLE headrace.moved IS
    'Columns of rows whose key changed, as the target had them, for the creates that lack them. They hold row values, and are deleted after target.keep_moved_hours.';
COMMENT ON COLUMN headrace.moved.columns IS 'By column, the value''s text as PostgreSQL writes it.';
