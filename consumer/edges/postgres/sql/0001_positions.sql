-- The first version of the control schema. `headrace` is the default name; the runner substitutes nothing.
CREATE TABLE headrace.groups (
    group_name text PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE headrace.groups IS
    'Groups that have started: what existed then began at kafka.initial, what appears later begins at its log start.';

CREATE TABLE headrace.positions (
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id text,
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    leader_epoch integer,
    epoch bigint NOT NULL,
    owner text,
    owner_pid integer,
    -- end offsets of the older partitions of the topic that have to be passed before this one is read
    wait_for jsonb,
    stopped jsonb,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_name, topic, partition)
) WITH (fillfactor = 50);

COMMENT ON COLUMN headrace.positions.next_offset IS 'The next offset to read.';
COMMENT ON COLUMN headrace.positions.epoch IS 'The fence: raised by each taking, compared by each batch.';

CREATE TABLE headrace.batches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    worker text NOT NULL,
    state text NOT NULL CHECK (state IN ('started', 'applied', 'failed', 'abandoned')),
    ranges jsonb NOT NULL,
    tables jsonb NOT NULL DEFAULT '{}',
    records bigint NOT NULL DEFAULT 0,
    error jsonb,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    durations jsonb NOT NULL DEFAULT '{}',
    -- milliseconds since 1970: oldest and newest source time, oldest broker time
    clocks jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX batches_finished ON headrace.batches (finished_at);

COMMENT ON TABLE headrace.batches IS 'The ledger: one row a batch, written in the batch''s own transaction.';

CREATE TABLE headrace.schemas (
    registry text NOT NULL,
    id integer NOT NULL,
    schema text NOT NULL,
    PRIMARY KEY (registry, id)
);

CREATE TABLE headrace.decode_marks (
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    start_offset bigint NOT NULL,
    end_offset bigint NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_name, topic, partition, start_offset)
);
