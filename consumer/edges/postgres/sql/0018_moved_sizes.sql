-- How much is kept of rows whose key changed is bounded by table, and nobody counts it at each batch.
ALTER TABLE headrace.moved ADD COLUMN bytes bigint NOT NULL DEFAULT 0;
ALTER TABLE headrace.moved ADD COLUMN taken boolean NOT NULL DEFAULT false;

UPDATE headrace.moved SET bytes = pg_column_size(columns);

CREATE INDEX moved_taken ON headrace.moved (table_name, kept_at) WHERE taken;

COMMENT ON COLUMN headrace.moved.bytes IS 'How large the columns are.';
COMMENT ON COLUMN headrace.moved.taken IS
    'Whether a create has taken them; where room is needed these go first, since only a record that is read again needs them.';

CREATE TABLE headrace.moved_sizes (
    table_name text PRIMARY KEY,
    rows bigint NOT NULL,
    bytes bigint NOT NULL
);

INSERT INTO headrace.moved_sizes (table_name, rows, bytes)
SELECT table_name, count(*), sum(bytes) FROM headrace.moved GROUP BY table_name;

COMMENT ON TABLE headrace.moved_sizes IS
    'How much of each table is in headrace.moved; at target.max_moved_rows or target.max_moved_bytes the table stops.';

ALTER TABLE headrace.positions ADD COLUMN waits_for_rows boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN headrace.positions.waits_for_rows IS
    'Whether wait_for is of rows that were refused because of others, and not of a partition that its topic got later.';
