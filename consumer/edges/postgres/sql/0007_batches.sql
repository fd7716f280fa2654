-- The ledger knows a batch from its start on, and what became of it.
ALTER TABLE headrace.batches ALTER COLUMN finished_at DROP NOT NULL;
ALTER TABLE headrace.batches ADD COLUMN attempt integer NOT NULL DEFAULT 1 CHECK (attempt >= 1);

COMMENT ON TABLE headrace.batches IS
    'The ledger: one row a batch. It is written when the batch starts; `applied` is set in its own transaction.';
COMMENT ON COLUMN headrace.batches.ranges IS
    'By partition: topic, partition, the position that the batch continues, the one that it leads to, and the epoch.';
COMMENT ON COLUMN headrace.batches.error IS 'Why it failed last: `kind`, `detail`, `remedy`, `code`.';
COMMENT ON COLUMN headrace.batches.attempt IS 'How often it was tried as it is.';

CREATE INDEX batches_troubled ON headrace.batches (group_name, id) WHERE state <> 'applied';

ALTER TABLE headrace.positions ADD COLUMN again_at timestamptz;

COMMENT ON COLUMN headrace.positions.again_at IS
    'Since then its owner is asked to take the partition anew, as after a decision about it. Cleared by the taking.';

CREATE TABLE headrace.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- who gave the command: user and machine
    actor text NOT NULL,
    database_role text NOT NULL DEFAULT session_user,
    action text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    reason text NOT NULL,
    -- what it was before and is now
    details jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX audit_happened ON headrace.audit (group_name, happened_at);

COMMENT ON TABLE headrace.audit IS 'What people decided, and why. Rows are only ever added.';
