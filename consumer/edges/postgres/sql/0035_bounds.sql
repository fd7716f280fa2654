-- expand
-- A step that ends its process would be taken by one process after the other. In front of the index, as steps lock jobs
-- before letters.
ALTER TABLE headrace.jobs ADD COLUMN taken integer NOT NULL DEFAULT 0;

COMMENT ON COLUMN headrace.jobs.taken IS 'How often a step was begun since one came to an end.';
COMMENT ON COLUMN headrace.jobs.why IS 'Why it is paused, stopped or cancelled, or its last step failed.';

-- Since when the oldest open letter waits is asked every few seconds. All of them failed later than never: who does not ask
-- for that does not get this index, which the planner takes for any question as long as it has not counted letters.
CREATE INDEX letters_oldest ON headrace.letters (group_name, state, first_failed_at)
    WHERE state IN ('retrying', 'held', 'dead', 'replaying') AND first_failed_at > '-infinity';
