-- Dead letters of others: how far their topics were read, and which letters came from there.
CREATE TABLE headrace.imports (
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id text NOT NULL,
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    letters bigint NOT NULL DEFAULT 0,
    known bigint NOT NULL DEFAULT 0,
    lost bigint NOT NULL DEFAULT 0,
    read_at timestamptz,
    -- until then a worker reads it; nobody else does
    claimed_until timestamptz,
    PRIMARY KEY (group_name, topic, partition)
);

COMMENT ON TABLE headrace.imports IS
    'How far dead-letter topics of others were read. Moved in the transaction that writes the letters.';
COMMENT ON COLUMN headrace.imports.next_offset IS 'The next offset to read.';
COMMENT ON COLUMN headrace.imports.letters IS 'How many letters were made of its records.';
COMMENT ON COLUMN headrace.imports.known IS 'How many of its records were open letters already.';
COMMENT ON COLUMN headrace.imports.lost IS 'How many offsets the log had let go of before they were read.';

ALTER TABLE headrace.letters ADD COLUMN imported text;
ALTER TABLE headrace.letters ADD COLUMN imported_topic text;
ALTER TABLE headrace.letters ADD COLUMN imported_partition integer;
ALTER TABLE headrace.letters ADD COLUMN imported_offset bigint
    CHECK (num_nulls(imported, imported_topic, imported_partition, imported_offset) IN (0, 4));

COMMENT ON COLUMN headrace.letters.imported IS
    'Whose dead letter it was, by the headers of its record: connect, spring, streams, share, headrace, or unknown. Null for our own.';
COMMENT ON COLUMN headrace.letters.imported_topic IS
    'The dead-letter topic in which it was, with partition and offset. A letter of an unknown origin has these as its origin, too.';

CREATE INDEX letters_imported ON headrace.letters (group_name, topic, partition, "offset")
    WHERE imported IS NOT NULL AND state IN ('retrying', 'held', 'dead', 'replaying');
