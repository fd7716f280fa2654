-- expand
-- What a group has passed counts as applied when letters are searched for later changes, but for what stands here and
-- what has an open letter. Kept by triggers, so that nobody who moves a position or gives letters up can forget it.
-- Whatever stands here too long makes a search doubt and no more: nothing is applied, or taken for superseded, by it.
CREATE TABLE headrace.unapplied (
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    start_offset bigint NOT NULL,
    end_offset bigint NOT NULL CHECK (end_offset > start_offset),
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (group_name, topic, partition, start_offset)
);

-- what persons have passed: a few among as many as letters were given up, of which each is one offset
CREATE INDEX unapplied_long ON headrace.unapplied (group_name, topic, partition, start_offset)
    WHERE end_offset > start_offset + 1;

COMMENT ON TABLE headrace.unapplied IS
    'Offsets that were passed without being applied: a person did, or gave letters up. What is read again goes from here.';

ALTER TABLE headrace.positions ADD COLUMN furthest bigint;
ALTER TABLE headrace.positions ADD COLUMN first_offset bigint;
ALTER TABLE headrace.positions ADD COLUMN unsure_to bigint;

COMMENT ON COLUMN headrace.positions.furthest IS
    'The furthest that the position has ever been: what is read in front of it is read again.';
COMMENT ON COLUMN headrace.positions.first_offset IS
    'The first offset that the group has read, or will; null where it is older than this column. What is in front others applied.';
COMMENT ON COLUMN headrace.positions.unsure_to IS
    'In front of it nobody knows what was applied: the log was cut, or notes in `unapplied` or the position were deleted.';

ALTER TABLE headrace.letters ADD COLUMN applied_once boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN headrace.letters.applied_once IS
    'Its record was applied before, and has failed when it was read again.';

CREATE FUNCTION headrace.is_unapplied(of_group text, of_topic text, of_partition integer, of_offset bigint)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM headrace.unapplied u
        WHERE u.group_name = of_group AND u.topic = of_topic AND u.partition = of_partition AND u.start_offset = of_offset
    ) OR EXISTS (
        SELECT FROM headrace.unapplied u
        WHERE u.group_name = of_group AND u.topic = of_topic AND u.partition = of_partition
          AND u.start_offset <= of_offset AND u.end_offset > of_offset AND u.end_offset > u.start_offset + 1
    )
$$;

COMMENT ON FUNCTION headrace.is_unapplied IS 'Whether an offset stands in `unapplied`.';

CREATE FUNCTION headrace.note_position() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    passed bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.first_offset := NEW.next_offset;
        -- of a position that was deleted something may be left: what its letters are of is read again as well
        NEW.furthest := greatest(NEW.next_offset, (
            SELECT u.end_offset FROM headrace.unapplied u
            WHERE u.group_name = NEW.group_name AND u.topic = NEW.topic AND u.partition = NEW.partition
            ORDER BY u.start_offset DESC LIMIT 1
        ), (
            SELECT max(u.end_offset) FROM headrace.unapplied u
            WHERE u.group_name = NEW.group_name AND u.topic = NEW.topic AND u.partition = NEW.partition
              AND u.end_offset > u.start_offset + 1
        ), (
            SELECT max(l."offset") + 1 FROM headrace.letters l
            WHERE l.group_name = NEW.group_name AND l.topic = NEW.topic AND l.partition = NEW.partition
              AND l.imported IS NULL AND l.state IN ('retrying', 'held', 'dead', 'replaying')
        ));
        -- or the topic was made anew
        NEW.unsure_to := nullif(NEW.furthest, NEW.next_offset);
        RETURN NEW;
    END IF;
    IF NEW.topic_id <> OLD.topic_id THEN
        -- the offsets are those of other records
        DELETE FROM headrace.unapplied u
        WHERE u.group_name = NEW.group_name AND u.topic = NEW.topic AND u.partition = NEW.partition;
        passed := 0;
        NEW.furthest := NEW.next_offset;
        NEW.first_offset := NEW.next_offset;
        NEW.unsure_to := NULL;
    ELSE
        passed := greatest(OLD.furthest, OLD.next_offset);
        NEW.furthest := greatest(passed, NEW.next_offset);
    END IF;
    -- a batch moves its position under the epoch of its taking, a person raises that
    IF NEW.epoch <> OLD.epoch AND NEW.next_offset > passed THEN
        INSERT INTO headrace.unapplied AS u (group_name, topic, partition, start_offset, end_offset)
        VALUES (NEW.group_name, NEW.topic, NEW.partition, passed, NEW.next_offset)
        ON CONFLICT (group_name, topic, partition, start_offset)
        DO UPDATE SET end_offset = greatest(u.end_offset, excluded.end_offset);
    ELSIF NEW.epoch = OLD.epoch AND OLD.next_offset < passed THEN
        -- what is read again; what a range has beside it stays
        WITH gone AS (
            DELETE FROM headrace.unapplied u
            WHERE u.group_name = NEW.group_name AND u.topic = NEW.topic AND u.partition = NEW.partition
              AND u.start_offset = ANY (ARRAY(
                SELECT o.start_offset FROM headrace.unapplied o
                WHERE o.group_name = NEW.group_name AND o.topic = NEW.topic AND o.partition = NEW.partition
                  AND o.start_offset >= OLD.next_offset AND o.start_offset < NEW.next_offset
                UNION ALL
                SELECT o.start_offset FROM headrace.unapplied o
                WHERE o.group_name = NEW.group_name AND o.topic = NEW.topic AND o.partition = NEW.partition
                  AND o.start_offset < OLD.next_offset AND o.end_offset > OLD.next_offset
                  AND o.end_offset > o.start_offset + 1
            ))
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
    IF NEW.next_offset < OLD.first_offset AND NEW.first_offset = OLD.first_offset THEN
        -- until it is read, this group has not applied what stands there, whatever others did
        INSERT INTO headrace.unapplied AS u (group_name, topic, partition, start_offset, end_offset)
        VALUES (NEW.group_name, NEW.topic, NEW.partition, NEW.next_offset, OLD.first_offset)
        ON CONFLICT (group_name, topic, partition, start_offset)
        DO UPDATE SET end_offset = greatest(u.end_offset, excluded.end_offset);
        NEW.first_offset := NEW.next_offset;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION headrace.note_position IS 'Keeps `furthest`, `first_offset` and what a person has a position pass.';

CREATE TRIGGER positions_noted BEFORE INSERT OR UPDATE OF next_offset, topic_id ON headrace.positions
    FOR EACH ROW EXECUTE FUNCTION headrace.note_position();

CREATE FUNCTION headrace.note_letter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- a batch moves its position behind its letters, so what it reads again stands in front of the furthest place
    NEW.applied_once := EXISTS (
        SELECT FROM headrace.positions p
        WHERE p.group_name = NEW.group_name AND p.topic = NEW.topic AND p.partition = NEW.partition
          AND p.furthest > NEW."offset"
    ) AND NOT headrace.is_unapplied(NEW.group_name, NEW.topic, NEW.partition, NEW."offset");
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION headrace.note_letter IS 'Keeps which letters are of records that were applied before.';

CREATE TRIGGER letters_noted BEFORE INSERT ON headrace.letters
    FOR EACH ROW WHEN (NEW.imported IS NULL) EXECUTE FUNCTION headrace.note_letter();

CREATE FUNCTION headrace.note_discard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- What another consumer could not take was applied all the same where this group has read it. Letters of a topic
    -- that was made anew may be given up behind its new position.
    INSERT INTO headrace.unapplied (group_name, topic, partition, start_offset, end_offset)
    SELECT p.group_name, p.topic, p.partition, OLD."offset", OLD."offset" + 1 FROM headrace.positions p
    WHERE p.group_name = OLD.group_name AND p.topic = OLD.topic AND p.partition = OLD.partition
      AND OLD."offset" < CASE WHEN OLD.imported IS NULL THEN greatest(p.furthest, p.next_offset) ELSE p.first_offset END
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION headrace.note_discard IS
    'Keeps which records were given up, or had their letters deleted, longer than these are kept.';

CREATE TRIGGER letters_discarded AFTER UPDATE OF state ON headrace.letters FOR EACH ROW
    WHEN (NEW.state = 'discarded' AND OLD.state <> 'discarded' AND NOT OLD.applied_once)
    EXECUTE FUNCTION headrace.note_discard();
CREATE TRIGGER letters_deleted AFTER DELETE ON headrace.letters FOR EACH ROW
    WHEN (OLD.state IN ('retrying', 'held', 'dead', 'replaying') AND NOT OLD.applied_once)
    EXECUTE FUNCTION headrace.note_discard();

-- also where target.constraints = "trust-source" lets no other trigger fire
ALTER TABLE headrace.positions ENABLE ALWAYS TRIGGER positions_noted;
ALTER TABLE headrace.letters ENABLE ALWAYS TRIGGER letters_noted;
ALTER TABLE headrace.letters ENABLE ALWAYS TRIGGER letters_discarded;
ALTER TABLE headrace.letters ENABLE ALWAYS TRIGGER letters_deleted;

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
