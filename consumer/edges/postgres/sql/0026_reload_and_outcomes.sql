-- A worker may be told to read its settings again, too; and the ledger says what became of the parts of a batch.

ALTER TABLE headrace.commands
    DROP CONSTRAINT commands_action_check,
    ADD CONSTRAINT commands_action_check CHECK (action IN ('reset breaker', 'take anew', 'drain', 'reload'));

ALTER TABLE headrace.batches ADD COLUMN outcomes jsonb NOT NULL DEFAULT '{}';

COMMENT ON COLUMN headrace.batches.outcomes IS
    'Of an applied batch: `records` by what became of them; `letters` by table ("" where it is not known) and state; `closed`, older letters of its rows, by state; `returned`, letters that came back, by state; `left_out`, what was read with it and is not in it: topic, partition, kind of failure.';
