-- Searches by values: jobs that read records, and say of each letter whether they are so.
ALTER TABLE headrace.jobs
    DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('replay', 'discard', 'search'));
ALTER TABLE headrace.jobs ADD COLUMN conditions jsonb CHECK ((conditions IS NULL) = (kind <> 'search'));

COMMENT ON COLUMN headrace.jobs.conditions IS
    'Of a search: what is to be so, as a list of field, comparison and value. The values are what a person typed.';

ALTER TABLE headrace.job_items
    DROP CONSTRAINT job_items_state_check,
    ADD CONSTRAINT job_items_state_check CHECK (
        state IN (
            'waiting', 'sent', 'applied', 'superseded', 'dead', 'discarded', 'skipped', 'cancelled',
            'unread', 'met', 'unmet', 'unreadable'
        )
    );
CREATE INDEX job_items_looked_at ON headrace.job_items (job_id, ended_at)
    WHERE state IN ('met', 'unmet', 'unreadable');

COMMENT ON COLUMN headrace.job_items.state IS
    'waiting and sent go on; dead: it failed again; skipped: it was not sent, or waits for a letter that failed. Of a search: unread goes on; met, unmet: whether its conditions are so; unreadable: nobody can say.';
