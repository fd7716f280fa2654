-- Letters for people: found by group, state, table and time, newest failure first, however many there are.
ALTER TABLE headrace.letter_tallies ADD COLUMN table_name text;

COMMENT ON COLUMN headrace.letter_tallies.table_name IS 'The table of the letters that are counted; null where it is not known.';

CREATE OR REPLACE FUNCTION headrace.tally_letters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO headrace.letter_groups
        SELECT DISTINCT ON (group_name, fingerprint)
            group_name, fingerprint, component, operation, kind, code, topic, field, remedy, failed_at
        FROM added a
        WHERE NOT EXISTS (
            SELECT FROM headrace.letter_groups g WHERE g.group_name = a.group_name AND g.fingerprint = a.fingerprint
        )
        -- in one order everywhere
        ORDER BY group_name, fingerprint, id
        ON CONFLICT DO NOTHING;
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO headrace.letter_tallies (group_name, fingerprint, state, table_name, letters, seen_at)
        SELECT group_name, fingerprint, state, table_name, count(*), max(failed_at) FROM added GROUP BY 1, 2, 3, 4;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO headrace.letter_tallies (group_name, fingerprint, state, table_name, letters, seen_at)
        SELECT group_name, fingerprint, state, table_name, -count(*), max(failed_at) FROM removed GROUP BY 1, 2, 3, 4;
    ELSE
        INSERT INTO headrace.letter_tallies (group_name, fingerprint, state, table_name, letters, seen_at)
        SELECT group_name, fingerprint, state, table_name, sum(n), max(failed_at)
        FROM (
            SELECT group_name, fingerprint, state, table_name, failed_at, 1 AS n FROM added
            UNION ALL
            SELECT group_name, fingerprint, state, table_name, failed_at, -1 FROM removed
        ) AS changed
        GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0;
    END IF;
    RETURN NULL;
END
$$;

-- also where target.constraints = "trust-source" lets no other trigger fire
ALTER TABLE headrace.letters ENABLE ALWAYS TRIGGER letters_added;
ALTER TABLE headrace.letters ENABLE ALWAYS TRIGGER letters_changed;
ALTER TABLE headrace.letters ENABLE ALWAYS TRIGGER letters_removed;

-- counted anew, by table
DELETE FROM headrace.letter_tallies;
INSERT INTO headrace.letter_tallies (group_name, fingerprint, state, table_name, letters, seen_at)
SELECT group_name, fingerprint, state, table_name, count(*), max(failed_at) FROM headrace.letters GROUP BY 1, 2, 3, 4;

DROP INDEX headrace.letters_newest;
DROP INDEX headrace.letters_groups;
CREATE INDEX letters_newest ON headrace.letters (group_name, failed_at, id);
CREATE INDEX letters_groups ON headrace.letters (group_name, fingerprint, state, failed_at, id);
CREATE INDEX letters_tables ON headrace.letters (group_name, fingerprint, state, table_name, failed_at, id);

CREATE TABLE headrace.letter_failures (
    letter_id bigint NOT NULL REFERENCES headrace.letters (id) ON DELETE CASCADE,
    kind text NOT NULL,
    code text NOT NULL,
    field text NOT NULL,
    detail text NOT NULL,
    times integer NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (letter_id, kind, code, field)
);

COMMENT ON TABLE headrace.letter_failures IS
    'What letters failed with before: how they fail now stands in `letters`.';

ALTER TABLE headrace.audit ALTER COLUMN topic DROP NOT NULL;
ALTER TABLE headrace.audit ALTER COLUMN partition DROP NOT NULL;
ALTER TABLE headrace.audit ADD COLUMN letters bigint[];

COMMENT ON COLUMN headrace.audit.letters IS 'The letters that were decided about, by id.';

CREATE INDEX audit_letters ON headrace.audit USING gin (letters);
