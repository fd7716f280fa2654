-- expand
-- Workflows: what takes many steps, each taken by whichever process is there, and continued after any end of it.
CREATE TABLE headrace.workflows (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    kind text NOT NULL,
    -- what was asked for, to be shown
    subject jsonb NOT NULL,
    state text NOT NULL DEFAULT 'planned' CHECK (
        state IN ('planned', 'running', 'paused', 'stopped', 'cancelled', 'done')
    ),
    why text NOT NULL DEFAULT '',
    -- its next turn is not before
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    ended_at timestamptz
);

CREATE INDEX workflows_newest ON headrace.workflows (group_name, id);
CREATE INDEX workflows_due ON headrace.workflows (group_name, due_at) WHERE state IN ('planned', 'running');

COMMENT ON TABLE headrace.workflows IS
    'Comparisons with the source, and recoveries. Who takes a turn of one locks its row, and writes how far it came in the same transaction.';
COMMENT ON COLUMN headrace.workflows.why IS 'Why it is paused, stopped or cancelled.';

CREATE TABLE headrace.workflow_steps (
    workflow_id bigint NOT NULL,
    number integer NOT NULL,
    act text NOT NULL,
    subject jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done')),
    progress jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (workflow_id, number)
);

COMMENT ON TABLE headrace.workflow_steps IS 'The steps of a workflow, one after the other, and how far each is.';

CREATE TABLE headrace.differing_keys (
    workflow_id bigint NOT NULL,
    step integer NOT NULL,
    key text[] NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('suspected', 'missing', 'extra', 'different', 'moving')),
    columns text[] NOT NULL DEFAULT '{}',
    -- digest and version of the row in the target, then in the source, by the first looks of a round
    before_digest bigint,
    before_version text,
    source_digest bigint,
    source_version text,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workflow_id, step, key)
);

CREATE INDEX differing_keys_verdicts ON headrace.differing_keys (workflow_id, step, verdict);

COMMENT ON TABLE headrace.differing_keys IS
    'Keys of rows that differ between source and target. Keys are values of rows; digests say nothing of the others.';
COMMENT ON COLUMN headrace.differing_keys.verdict IS
    'suspected is looked at again; missing, extra: only one side has the row; moving: it was written too often to say.';
