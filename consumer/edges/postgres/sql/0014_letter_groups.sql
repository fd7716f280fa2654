-- Groups of letters: those that failed in the same way, known by a fingerprint of how. Its first letters name its version.
ALTER TABLE headrace.letters ADD COLUMN field text NOT NULL DEFAULT '';

COMMENT ON COLUMN headrace.letters.field IS 'The path of the field that is to blame, as `after.price`; empty if none is.';

ALTER TABLE headrace.letters ADD COLUMN fingerprint text NOT NULL GENERATED ALWAYS AS (
    'v1-' || lpad(to_hex(hashtextextended(
        component || chr(31) || operation || chr(31) || kind || chr(31) || code || chr(31) || topic || chr(31) || field, 0
    )), 16, '0')
) STORED;

COMMENT ON COLUMN headrace.letters.fingerprint IS
    'Which letters belong together: version 1 is a hash of component, operation, kind, code, topic and field.';

CREATE TABLE headrace.letter_groups (
    group_name text NOT NULL,
    fingerprint text NOT NULL,
    component text NOT NULL,
    operation text NOT NULL,
    kind text NOT NULL,
    code text NOT NULL,
    topic text NOT NULL,
    field text NOT NULL,
    remedy text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    PRIMARY KEY (group_name, fingerprint)
);

COMMENT ON TABLE headrace.letter_groups IS 'What the letters of one fingerprint have in common.';

-- Only ever added to while letters change, so that no two transactions wait for one another here.
CREATE TABLE headrace.letter_tallies (
    group_name text NOT NULL,
    fingerprint text NOT NULL,
    state text NOT NULL,
    letters bigint NOT NULL,
    seen_at timestamptz NOT NULL
);

CREATE INDEX letter_tallies_groups ON headrace.letter_tallies (group_name, fingerprint);

COMMENT ON TABLE headrace.letter_tallies IS
    'How many letters a group has in a state is the sum of `letters`, the last time one failed the largest `seen_at`.';

CREATE INDEX letters_groups ON headrace.letters (group_name, fingerprint, state, id);
CREATE INDEX letters_newest ON headrace.letters (group_name, id);

CREATE FUNCTION headrace.tally_letters() RETURNS trigger LANGUAGE plpgsql AS $$
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
        INSERT INTO headrace.letter_tallies
        SELECT group_name, fingerprint, state, count(*), max(failed_at) FROM added GROUP BY 1, 2, 3;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO headrace.letter_tallies
        SELECT group_name, fingerprint, state, -count(*), max(failed_at) FROM removed GROUP BY 1, 2, 3;
    ELSE
        INSERT INTO headrace.letter_tallies
        SELECT group_name, fingerprint, state, sum(n), max(failed_at)
        FROM (
            SELECT group_name, fingerprint, state, failed_at, 1 AS n FROM added
            UNION ALL
            SELECT group_name, fingerprint, state, failed_at, -1 FROM removed
        ) AS changed
        GROUP BY 1, 2, 3 HAVING sum(n) <> 0;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION headrace.tally_letters IS 'Adds what a statement changed of letters to `letter_groups` and `letter_tallies`.';

CREATE TRIGGER letters_added AFTER INSERT ON headrace.letters
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION headrace.tally_letters();
CREATE TRIGGER letters_changed AFTER UPDATE ON headrace.letters
REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION headrace.tally_letters();
CREATE TRIGGER letters_removed AFTER DELETE ON headrace.letters
REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION headrace.tally_letters();

-- Letters that are there already.
INSERT INTO headrace.letter_groups
SELECT DISTINCT ON (group_name, fingerprint)
    group_name, fingerprint, component, operation, kind, code, topic, field, remedy, first_failed_at
FROM headrace.letters ORDER BY group_name, fingerprint, id;
INSERT INTO headrace.letter_tallies
SELECT group_name, fingerprint, state, count(*), max(failed_at) FROM headrace.letters GROUP BY 1, 2, 3;
