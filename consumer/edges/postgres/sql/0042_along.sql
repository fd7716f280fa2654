-- expand
-- Who has letters given up is told how many wait for them and go along, and agrees to these too: they are letters of the job.
-- In front of its items, as steps lock the job first.
ALTER TABLE headrace.jobs ADD COLUMN along bigint NOT NULL DEFAULT 0 CHECK (along BETWEEN 0 AND items);
ALTER TABLE headrace.job_items ADD COLUMN along boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN headrace.jobs.along IS 'How many of its letters were not selected, and wait for those that were.';
COMMENT ON COLUMN headrace.job_items.along IS
    'Whether it waits for a letter of the job, and is given up with that one, not by itself. Behind those that were selected.';
