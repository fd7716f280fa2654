-- What workers say of themselves, what people have paused, and what workers are told to do.
CREATE TABLE headrace.workers (
    group_name text NOT NULL,
    name text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    state text NOT NULL CHECK (state IN ('starting', 'running', 'draining')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- seconds between two reports
    every double precision NOT NULL,
    -- by partition: topic, partition, and the end of its log as far as the client has heard of it
    partitions jsonb NOT NULL,
    -- what is being applied: partitions, records, seconds so far
    batch jsonb,
    queue_batches integer NOT NULL,
    queue_bytes bigint NOT NULL,
    rss_bytes bigint,
    -- by server: name, state, since, failures in a row, kind and detail of the last one
    breakers jsonb NOT NULL,
    PRIMARY KEY (group_name, name)
) WITH (fillfactor = 50);

COMMENT ON TABLE headrace.workers IS
    'Worker processes, as they report themselves. One that ends in order takes its row along; one that does not report any more is gone.';

CREATE TABLE headrace.table_states (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    -- a target table, or a topic, or one partition of a topic
    table_name text,
    topic text,
    partition integer,
    actor text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((table_name IS NULL) <> (topic IS NULL) AND (partition IS NULL OR topic IS NOT NULL))
);

CREATE UNIQUE INDEX table_states_of ON headrace.table_states (group_name, coalesce(table_name, ''), coalesce(topic, ''), coalesce(partition, -1));

COMMENT ON TABLE headrace.table_states IS 'What people have paused, who, why and since when. What is resumed has no row; `audit` keeps both.';

CREATE FUNCTION headrace.pauses_of(in_group text, in_topic text, in_partition integer)
RETURNS SETOF headrace.table_states LANGUAGE sql STABLE AS $$
    SELECT s.* FROM headrace.table_states s
    WHERE s.group_name = in_group AND (
        s.topic = in_topic AND coalesce(s.partition, in_partition) = in_partition
        OR s.table_name IN (
            SELECT t.table_name FROM headrace.target_tables t WHERE t.group_name = in_group AND t.topic = in_topic
        )
    )
    ORDER BY s.id
$$;

COMMENT ON FUNCTION headrace.pauses_of IS 'The pauses that hold a partition: its own, its topic''s, and those of the tables that its topic is bound to.';

CREATE TABLE headrace.commands (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    -- the one worker that carries it out; what all of a group shall do has a row for each
    worker text NOT NULL,
    action text NOT NULL CHECK (action IN ('reset breaker', 'take anew')),
    -- the breaker's name
    subject text NOT NULL DEFAULT '',
    actor text NOT NULL,
    reason text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- since then it is not carried out again, whatever becomes of the worker
    taken_at timestamptz,
    done_at timestamptz,
    outcome text
);

CREATE INDEX commands_waiting ON headrace.commands (group_name, worker) WHERE taken_at IS NULL;

COMMENT ON TABLE headrace.commands IS 'What people have told workers to do, and what came of it.';

-- what is decided about a table or a worker is of no single partition
ALTER TABLE headrace.audit ALTER COLUMN topic DROP NOT NULL;
ALTER TABLE headrace.audit ALTER COLUMN partition DROP NOT NULL;
