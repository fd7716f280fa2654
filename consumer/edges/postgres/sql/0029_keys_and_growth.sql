-- expand
-- What tells whether a record is what it seems: which keys a topic has, so that one of another table's schema is known
-- for what it is, and when it got more partitions, since its rows may have gone to others then.
ALTER TABLE headrace.topic_sources ADD COLUMN key_name text;
ALTER TABLE headrace.topic_sources ADD COLUMN key_columns text[];

COMMENT ON COLUMN headrace.topic_sources.key_name IS 'The full name of the key schema; null where a version before wrote the row.';
COMMENT ON COLUMN headrace.topic_sources.key_columns IS 'The columns of the key, as the source calls them.';

ALTER TABLE headrace.positions ADD COLUMN grown_at timestamptz;

UPDATE headrace.positions SET grown_at = clock_timestamp() WHERE wait_for IS NOT NULL AND NOT waits_for_rows;

COMMENT ON COLUMN headrace.positions.grown_at IS
    'When the partition was first seen, if others of its topic had records already. Keys may be in other partitions than before since.';
