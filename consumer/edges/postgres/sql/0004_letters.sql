-- Letters: records that could not be applied. Row and bytes are written in the transaction of their batch.
-- A table's row is known by a keyed hash of its identity as the target compares it, never by its values.
ALTER TABLE headrace.groups ADD COLUMN seed_a bigint NOT NULL DEFAULT hashtextextended(gen_random_uuid()::text, 0);
ALTER TABLE headrace.groups ADD COLUMN seed_b bigint NOT NULL DEFAULT hashtextextended(gen_random_uuid()::text, 0);

COMMENT ON COLUMN headrace.groups.seed_a IS 'With seed_b the key of the hash that letters know rows by.';

CREATE TABLE headrace.letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    -- the record's own, in its origin topic and partition
    "offset" bigint NOT NULL,
    state text NOT NULL CHECK (
        state IN ('retrying', 'held', 'dead', 'replaying', 'applied', 'superseded', 'discarded')
    ),
    attempt integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    replays integer NOT NULL DEFAULT 0,
    kind text NOT NULL,
    error_type text NOT NULL CHECK (error_type IN ('transient', 'persistent', 'unknown')),
    component text NOT NULL,
    operation text NOT NULL,
    detail text NOT NULL,
    remedy text NOT NULL,
    code text NOT NULL DEFAULT '',
    -- null where the record's row could not be told from others
    table_name text,
    digest_a bigint,
    digest_b bigint,
    due_at timestamptz,
    first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    reason text,
    lane_topic text,
    lane_partition integer,
    lane_offset bigint,
    published_attempt integer NOT NULL DEFAULT 0,
    published_at timestamptz,
    claimed_until timestamptz
);

COMMENT ON TABLE headrace.letters IS
    'Records that could not be applied, with why and what became of them. The row is the truth, its copies are not.';
COMMENT ON COLUMN headrace.letters.published_attempt IS
    'The attempt whose copy is in its topic; below attempt, a copy is still to be published.';

-- at most one open letter for a record
CREATE UNIQUE INDEX letters_open ON headrace.letters (group_name, topic, partition, "offset")
    WHERE state IN ('retrying', 'held', 'dead', 'replaying');
CREATE INDEX letters_rows ON headrace.letters (group_name, table_name, digest_a, digest_b, "offset")
    WHERE state IN ('retrying', 'held', 'dead', 'replaying');
CREATE INDEX letters_unpublished ON headrace.letters (group_name, id)
    WHERE state IN ('retrying', 'dead', 'replaying') AND published_attempt < attempt;
CREATE INDEX letters_closed ON headrace.letters (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE headrace.letter_bytes (
    letter_id bigint PRIMARY KEY REFERENCES headrace.letters (id) ON DELETE CASCADE,
    key bytea,
    value bytea,
    -- pairs of a name and its value in base64, or null, as they were
    headers jsonb,
    -- the value after an edit; the original stays
    edited bytea,
    edit jsonb
);

COMMENT ON COLUMN headrace.letters.claimed_until IS 'Until then a worker is publishing it; nobody else does.';

COMMENT ON TABLE headrace.letter_bytes IS
    'The record as it was. None for a letter that only points to its origin.';
