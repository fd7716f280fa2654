-- expand
-- What a group has passed counts as applied when letters are searched for later changes, but for what stands here and
-- what has an open letter. Kept by triggers, so that nobody who moves a position or gives letters up can forget it.
CREATE TABLE headrace.unapplied (
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    start_offset bigint NOT NULL,
    end_offset bigint NOT NULL CHECK (end_offset > start_offset),
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (group_name, topic, partition, start_offset)
);

COMMENT ON TABLE headrace.unapplied IS
    'Offsets that were passed without being applied: a person did, or gave letters up. What is read again goes from here.';

ALTER TABLE headrace.positions ADD COLUMN furthest bigint;
ALTER TABLE headrace.positions ADD COLUMN first_offset bigint;

COMMENT ON COLUMN headrace.positions.furthest IS
    'The furthest that the position has ever been: what is read in front of it is read again.';
COMMENT ON COLUMN headrace.positions.first_offset IS
    'The first offset that the group has read, or will; null where it is older than this column. What is in front others applied.';

CREATE FUNCTION headrace.note_position() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    passed bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.first_offset := NEW.next_offset;
        -- of a position that was deleted something may stand here yet
        NEW.furthest := greatest(NEW.next_offset, (
            SELECT max(u.end_offset) FROM headrace.unapplied u
            WHERE u.group_name = NEW.group_name AND u.topic = NEW.topic AND u.partition = NEW.partition
        ));
        RETURN NEW;
    END IF;
    IF NEW.topic_id <> OLD.topic_id THEN
        -- the offsets are those of other records
        DELETE FROM headrace.unapplied u
        WHERE u.group_name = NEW.group_name AND u.topic = NEW.topic AND u.partition = NEW.partition;
        passed := 0;
        NEW.furthest := NEW.next_offset;
        NEW.first_offset := NEW.next_offset;
    ELSE
        passed := greatest(OLD.furthest, OLD.next_offset);
        NEW.furthest := greatest(passed, NEW.next_offset);
        NEW.first_offset := CASE WHEN NEW.next_offset < OLD.first_offset THEN NEW.next_offset ELSE OLD.first_offset END;
        -- until it is read, nobody has applied what another consumer could not take
        INSERT INTO headrace.unapplied (group_name, topic, partition, start_offset, end_offset)
        SELECT l.group_name, l.topic, l.partition, l."offset", l."offset" + 1 FROM headrace.letters l
        WHERE NEW.first_offset < OLD.first_offset
          AND l.group_name = NEW.group_name AND l.topic = NEW.topic AND l.partition = NEW.partition
          AND l."offset" >= NEW.first_offset AND l."offset" < OLD.first_offset AND l.imported IS NOT NULL
          AND l.state IN ('retrying', 'held', 'dead', 'replaying')
        ON CONFLICT DO NOTHING;
    END IF;
    -- a batch moves its position under the epoch of its taking, a person raises that
    IF NEW.epoch <> OLD.epoch AND NEW.next_offset > passed THEN
        INSERT INTO headrace.unapplied (group_name, topic, partition, start_offset, end_offset)
        VALUES (NEW.group_name, NEW.topic, NEW.partition, passed, NEW.next_offset)
        ON CONFLICT DO NOTHING;
    ELSIF NEW.epoch = OLD.epoch AND OLD.next_offset < passed THEN
        -- what is read again; what a range has beside it stays
        WITH gone AS (
            DELETE FROM headrace.unapplied u
            WHERE u.group_name = NEW.group_name AND u.topic = NEW.topic AND u.partition = NEW.partition
              AND u.start_offset < NEW.next_offset AND u.end_offset > OLD.next_offset
            RETURNING u.*
        )
        INSERT INTO headrace.unapplied AS u (group_name, topic, partition, start_offset, end_offset, noted_at)
        SELECT NEW.group_name, NEW.topic, NEW.partition, rest.first, max(rest.behind), max(rest.noted_at)
        FROM (
            SELECT g.start_offset, OLD.next_offset, g.noted_at FROM gone g WHERE g.start_offset < OLD.next_offset
            UNION ALL
            SELECT NEW.next_offset, g.end_offset, g.noted_at FROM gone g WHERE g.end_offset > NEW.next_offset
        ) AS rest (first, behind, noted_at)
        GROUP BY rest.first
        -- ranges may lie in one another
        ON CONFLICT (group_name, topic, partition, start_offset)
        DO UPDATE SET end_offset = greatest(u.end_offset, excluded.end_offset);
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION headrace.note_position IS 'Keeps `furthest`, `first_offset` and what a person has a position pass.';

CREATE TRIGGER positions_noted BEFORE INSERT OR UPDATE OF next_offset, topic_id ON headrace.positions
    FOR EACH ROW EXECUTE FUNCTION headrace.note_position();

CREATE FUNCTION headrace.note_discard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- What another consumer could not take was applied all the same where this group has read it. Letters of a topic
    -- that was made anew may be given up behind its new position.
    IF EXISTS (
        SELECT FROM headrace.positions p
        WHERE p.group_name = NEW.group_name AND p.topic = NEW.topic AND p.partition = NEW.partition
          AND NEW."offset" < CASE WHEN NEW.imported IS NULL THEN greatest(p.furthest, p.next_offset) ELSE p.first_offset END
    ) THEN
        INSERT INTO headrace.unapplied (group_name, topic, partition, start_offset, end_offset)
        VALUES (NEW.group_name, NEW.topic, NEW.partition, NEW."offset", NEW."offset" + 1)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION headrace.note_discard IS 'Keeps which records were given up, longer than their letters are kept.';

CREATE TRIGGER letters_discarded AFTER UPDATE OF state ON headrace.letters
    FOR EACH ROW WHEN (NEW.state = 'discarded' AND OLD.state <> 'discarded') EXECUTE FUNCTION headrace.note_discard();

-- also where target.constraints = "trust-source" lets no other trigger fire
ALTER TABLE headrace.positions ENABLE ALWAYS TRIGGER positions_noted;
ALTER TABLE headrace.letters ENABLE ALWAYS TRIGGER letters_discarded;

-- As far as is known: a position may stand in front of where it was once. Workers wait until the end, so that letters
-- and audit are read once, however many positions there are.
UPDATE headrace.positions SET furthest = next_offset;

UPDATE headrace.positions p SET furthest = l.beyond
FROM (
    SELECT group_name, topic, partition, max("offset") + 1 FROM headrace.letters
    WHERE imported IS NULL AND state IN ('retrying', 'held', 'dead', 'replaying')
    GROUP BY group_name, topic, partition
) AS l (group_name, topic, partition, beyond)
WHERE (p.group_name, p.topic, p.partition) = (l.group_name, l.topic, l.partition) AND l.beyond > p.furthest;

UPDATE headrace.positions p SET furthest = a.beyond
FROM (
    SELECT group_name, topic, partition, details -> 'topic_id' ->> 'from', max((details ->> 'from')::bigint)
    FROM headrace.audit
    WHERE action = 'set position' AND jsonb_typeof(details -> 'from') = 'number'
      AND details ->> 'stopped' IS DISTINCT FROM 'log.truncated'
    GROUP BY group_name, topic, partition, details -> 'topic_id' ->> 'from'
) AS a (group_name, topic, partition, topic_id, beyond)
WHERE (p.group_name, p.topic, p.partition) = (a.group_name, a.topic, a.partition)
  AND a.topic_id IS NOT DISTINCT FROM p.topic_id::text AND a.beyond > p.furthest;

-- those that were given up before, unless a position that was set back has had them read again, or will
INSERT INTO headrace.unapplied (group_name, topic, partition, start_offset, end_offset)
WITH back AS MATERIALIZED (
    SELECT group_name, topic, partition, happened_at, (details ->> 'to')::bigint AS next_offset
    FROM headrace.audit WHERE action = 'set position' AND topic IS NOT NULL
)
SELECT l.group_name, l.topic, l.partition, l."offset", l."offset" + 1
FROM headrace.letters l
JOIN headrace.positions p ON (p.group_name, p.topic, p.partition) = (l.group_name, l.topic, l.partition)
WHERE l.state = 'discarded' AND l.imported IS NULL AND l."offset" < p.next_offset AND NOT EXISTS (
    SELECT FROM back b
    WHERE (b.group_name, b.topic, b.partition) = (l.group_name, l.topic, l.partition)
      AND b.happened_at > l.closed_at AND b.next_offset <= l."offset"
)
ON CONFLICT DO NOTHING;
