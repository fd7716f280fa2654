-- expand
-- Letters that fail again as they did before change no count, but when their group was seen last: a row that counts none.
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
        GROUP BY 1, 2, 3, 4
        HAVING sum(n) <> 0 OR max(failed_at) FILTER (WHERE n = 1) > max(failed_at) FILTER (WHERE n = -1);
    END IF;
    RETURN NULL;
END
$$;
