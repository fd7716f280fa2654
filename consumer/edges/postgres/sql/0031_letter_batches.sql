-- expand
-- The batch whose transaction wrote the letter: with it headers, ledger and letters name one another.
ALTER TABLE headrace.letters ADD COLUMN batch_id bigint;

COMMENT ON COLUMN headrace.letters.batch_id IS
    'The number of its batch in the ledger, which keeps that for a time. None of imported ones.';
