-- expand
-- Several tables of the source may come in one topic, also with one key schema.
ALTER TABLE headrace.topic_sources ADD COLUMN former jsonb NOT NULL DEFAULT '[]';

COMMENT ON COLUMN headrace.topic_sources.former IS 'The other `names` that records with this key schema had before.';

-- A history does not say of which topic its offsets are.
ALTER TABLE headrace.positions ADD COLUMN anew_at timestamptz;

COMMENT ON COLUMN headrace.positions.anew_at IS
    'When the position was last set into a topic that was made anew: offsets from before are of the one that was deleted.';

-- A turn that ends its process would be taken by one process after the other.
ALTER TABLE headrace.workflows ADD COLUMN taken integer NOT NULL DEFAULT 0;

COMMENT ON COLUMN headrace.workflows.taken IS 'How often a turn was begun since one came to an end.';

-- What was not tried has not failed once more.
CREATE OR REPLACE FUNCTION headrace.end_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'held' THEN
        -- it comes with the one in front of it; if that is dead, nothing comes by itself
        UPDATE headrace.job_items i
        SET state = 'skipped', why = 'it waits for letter ' || f.id || ', which is dead', ended_at = clock_timestamp()
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
    -- one that is dead and has not failed anew was not tried: what it is of is paused
    UPDATE headrace.job_items
    SET state = CASE WHEN NEW.state = 'dead' AND NEW.failed_at IS NOT DISTINCT FROM OLD.failed_at THEN 'skipped' ELSE NEW.state END,
        ended_at = clock_timestamp(),
        why = CASE WHEN NEW.state = 'dead' AND NEW.failed_at IS DISTINCT FROM OLD.failed_at THEN NEW.kind || ': ' || NEW.detail
            ELSE coalesce(NEW.reason, '') END
    WHERE letter_id = NEW.id AND state = 'sent';
    IF NEW.state = 'dead' THEN
        UPDATE headrace.job_items i
        SET state = 'skipped', why = 'it waits for letter ' || NEW.id || ', which is dead', ended_at = clock_timestamp()
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

COMMENT ON COLUMN headrace.job_items.state IS
    'waiting and sent go on; dead: it failed again; skipped: it was not sent or not tried, or waits for a letter that is dead.';
