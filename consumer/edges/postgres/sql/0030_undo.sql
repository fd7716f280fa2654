-- expand
-- What taking a batch back would do, row by row, or why it can't.
CREATE TABLE headrace.undo_rows (
    workflow_id bigint NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    -- of the row's last record in the batch, and of its first
    "offset" bigint NOT NULL,
    first_offset bigint NOT NULL,
    table_name text,
    key jsonb NOT NULL DEFAULT '{}',
    effect text NOT NULL CHECK (effect IN ('restore', 'insert', 'delete', 'nothing')),
    why text NOT NULL DEFAULT '',
    PRIMARY KEY (workflow_id, topic, partition, "offset")
);

CREATE INDEX undo_rows_barred ON headrace.undo_rows (workflow_id) WHERE why <> '';

COMMENT ON TABLE headrace.undo_rows IS
    'Rows of a batch that is to be taken back, as they were looked at last. Keys are values of rows.';
COMMENT ON COLUMN headrace.undo_rows.why IS 'Why it can''t be taken back; empty where it can.';
