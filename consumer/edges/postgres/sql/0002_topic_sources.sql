CREATE TABLE headrace.topic_sources (
    group_name text NOT NULL,
    topic text NOT NULL,
    -- the registry's id of the key schema
    key_schema integer NOT NULL,
    -- `db`, `schema` and `table` of the envelope's source block, which `target.table` makes the target's name of
    names jsonb NOT NULL,
    PRIMARY KEY (group_name, topic, key_schema)
);

COMMENT ON TABLE headrace.topic_sources IS
    'What the source calls the table of a topic: a tombstone does not say it, so one that comes first is looked up here.';
