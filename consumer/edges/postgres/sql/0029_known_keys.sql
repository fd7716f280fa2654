-- expand
-- Which key a topic's records have, so that one of another table's schema is known for what it is.
ALTER TABLE headrace.topic_sources ADD COLUMN key_name text;
ALTER TABLE headrace.topic_sources ADD COLUMN key_columns text[];

COMMENT ON COLUMN headrace.topic_sources.key_name IS 'The full name of the key schema; null where a version before wrote the row.';
COMMENT ON COLUMN headrace.topic_sources.key_columns IS 'The columns of the key, as the source calls them.';
