-- Jobs: many letters sent again, or given up, bit by bit, by whichever worker is there.
CREATE TABLE headrace.jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('replay', 'discard')),
    -- what was asked for, to be shown; the items say which letters that were
    selection jsonb NOT NULL,
    items bigint NOT NULL CHECK (items > 0),
    -- letters a second, by all workers together
    rate float8 NOT NULL CHECK (rate > 0),
    canary integer NOT NULL CHECK (canary >= 0),
    stop_ratio float8 NOT NULL CHECK (stop_ratio BETWEEN 0 AND 1),
    state text NOT NULL DEFAULT 'planned' CHECK (
        state IN ('planned', 'canary', 'running', 'paused', 'stopped', 'cancelled', 'done')
    ),
    why text NOT NULL DEFAULT '',
    canary_left integer NOT NULL CHECK (canary_left >= 0),
    -- what ended before does not count against it
    judged_since timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- up to then the rate is used up
    paid_until timestamptz NOT NULL DEFAULT clock_timestamp(),
    stepped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    ended_at timestamptz
);

CREATE INDEX jobs_newest ON headrace.jobs (group_name, id);
CREATE INDEX jobs_active ON headrace.jobs (group_name, stepped_at) WHERE state IN ('planned', 'canary', 'running');

COMMENT ON TABLE headrace.jobs IS
    'Letters that are sent again, or given up, at a rate. A worker that takes the next step of a job locks its row.';
COMMENT ON COLUMN headrace.jobs.why IS 'Why it is paused, stopped or cancelled.';
COMMENT ON COLUMN headrace.jobs.canary_left IS
    'How many of the first ones are still to be sent; then the job waits until all that was sent has ended.';

CREATE TABLE headrace.job_items (
    job_id bigint NOT NULL,
    -- in the order of the records
    number integer NOT NULL,
    letter_id bigint NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (
        state IN ('waiting', 'sent', 'applied', 'superseded', 'dead', 'discarded', 'skipped', 'cancelled')
    ),
    why text NOT NULL DEFAULT '',
    sent_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (job_id, number)
);

-- for the next ones, and for counts of states
CREATE INDEX job_items_states ON headrace.job_items (job_id, state, number);
-- a letter is in at most one job that is not through with it
CREATE UNIQUE INDEX job_items_letters ON headrace.job_items (letter_id) WHERE state IN ('waiting', 'sent');
CREATE INDEX job_items_ended ON headrace.job_items (job_id, ended_at)
    WHERE state IN ('applied', 'superseded', 'dead', 'discarded');

COMMENT ON TABLE headrace.job_items IS
    'The letters of a job, each with what became of it. What was sent gets its end in the transaction that ends its letter.';
COMMENT ON COLUMN headrace.job_items.state IS
    'waiting and sent go on; dead: it failed again; skipped: it was not sent, or waits for a letter that failed.';

CREATE FUNCTION headrace.end_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'held' THEN
        -- it comes with the one in front of it; if that is dead, nothing comes by itself
        UPDATE headrace.job_items i
        SET state = 'skipped', why = 'it waits for letter ' || f.id || ', which failed', ended_at = clock_timestamp()
        FROM (
            SELECT o.id FROM headrace.letters o
            WHERE o.group_name = NEW.group_name AND o.table_name = NEW.table_name AND o.digest_a = NEW.digest_a
              AND o.digest_b = NEW.digest_b AND o.state = 'dead'
              AND CASE WHEN (o.topic, o.partition) = (NEW.topic, NEW.partition)
                  THEN o."offset" < NEW."offset" ELSE o.id < NEW.id END
            LIMIT 1
        ) f
        WHERE i.letter_id = NEW.id AND i.state = 'sent';
        RETURN NULL;
    END IF;
    UPDATE headrace.job_items
    SET state = NEW.state, ended_at = clock_timestamp(),
        why = CASE WHEN NEW.state = 'dead' THEN NEW.kind || ': ' || NEW.detail ELSE coalesce(NEW.reason, '') END
    WHERE letter_id = NEW.id AND state = 'sent';
    IF NEW.state = 'dead' THEN
        UPDATE headrace.job_items i
        SET state = 'skipped', why = 'it waits for letter ' || NEW.id || ', which failed', ended_at = clock_timestamp()
        FROM headrace.letters n
        WHERE n.group_name = NEW.group_name AND n.table_name = NEW.table_name AND n.digest_a = NEW.digest_a
          AND n.digest_b = NEW.digest_b AND n.state = 'held'
          AND CASE WHEN (n.topic, n.partition) = (NEW.topic, NEW.partition)
              THEN NEW."offset" < n."offset" ELSE NEW.id < n.id END
          AND i.letter_id = n.id AND i.state = 'sent';
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION headrace.end_items IS 'Writes what became of a letter to the item by which it was sent.';

CREATE TRIGGER letters_ended AFTER UPDATE OF state ON headrace.letters FOR EACH ROW
WHEN (OLD.state IN ('replaying', 'held', 'retrying') AND NEW.state IN ('applied', 'superseded', 'dead', 'discarded', 'held'))
EXECUTE FUNCTION headrace.end_items();

-- Sessions with target.constraints = "trust-source" run no other triggers.
ALTER TABLE headrace.letters ENABLE ALWAYS TRIGGER letters_ended;

-- Copies that are to be published are read in the order in which they are. Else all letters were read for them: what two
-- columns say of each other is not known to the planner, which takes them for a third of all.
DROP INDEX headrace.letters_unpublished;
CREATE INDEX letters_unpublished ON headrace.letters (group_name, claimed_until NULLS FIRST, id)
    WHERE state IN ('retrying', 'dead', 'replaying') AND published_attempt < attempt;
