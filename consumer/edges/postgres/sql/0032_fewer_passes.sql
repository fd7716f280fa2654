-- expand
-- Rows that wait for one another in an adverse order get fewer by one a pass: so many are rather written together. While
-- passes win more and more, or much, nothing is too many yet: a tree with random keys and one orphan takes some.
CREATE OR REPLACE FUNCTION headrace.refused_rows(staging regclass, target regclass, work jsonb)
RETURNS TABLE (place bigint, state text, constraint_name text, column_name text)
LANGUAGE plpgsql AS $$
DECLARE
    dependent CONSTANT text[] := ARRAY(SELECT jsonb_array_elements_text(work -> 'dependent'));
    everything tid[];
    waiting tid[];
    merged tid[];
    again tid[];
    held tid[] := '{}';
    found headrace.refusal[];
    refused headrace.refusal[] := '{}';
    query text;
    passes integer := 0;
    winning boolean := true;
    won integer := 0;
    tried bigint := 0;
    context text;
BEGIN
    IF (work ->> 'immediate')::boolean THEN
        SET CONSTRAINTS ALL IMMEDIATE;
    END IF;
    EXECUTE format('SELECT array_agg(ctid ORDER BY ctid) FROM %s', staging) INTO everything;
    waiting := everything;
    work := work || (work -> 'adjoining');
    IF work ->> 'keys' IS NOT NULL THEN
        query := headrace.merged_keys(staging, target, work -> 'keys');
        BEGIN
            EXECUTE query INTO merged USING waiting;
        EXCEPTION WHEN OTHERS THEN
            -- a key that has no value in the target's type fails here already, and in the table too
            refused := ARRAY(
                SELECT r FROM headrace.apply_in_sets(
                    work || jsonb_build_object(
                        'action', 'keys', 'before', NULL, 'statement', query, 'size', cardinality(waiting)
                    ),
                    waiting
                ) AS r
            );
            waiting := headrace.left_over(waiting, refused);
            work := work || (work -> 'scattered');
            EXECUTE query INTO merged USING waiting;
        END;
        IF merged IS NOT NULL THEN
            refused := refused || ARRAY(SELECT ROW(m, '21000', NULL, NULL)::headrace.refusal FROM unnest(merged) AS m);
            waiting := headrace.left_over(waiting, refused);
            work := work || (work -> 'scattered');
        END IF;
    END IF;
    IF work ->> 'action' = 'replace' AND cardinality(waiting) > 0 THEN
        -- a delete may search the whole table, so that one for each set costs too much: all at once, to be undone
        found := '{}';
        BEGIN
            EXECUTE work ->> 'before' USING waiting, waiting[1], waiting[cardinality(waiting)];
            found := ARRAY(
                SELECT r FROM headrace.apply_in_sets(work || '{"before": null, "hopeful": true}', waiting) AS r
            );
            RAISE EXCEPTION USING ERRCODE = 'HR000', MESSAGE = 'undone';
        EXCEPTION
            WHEN SQLSTATE 'HR000' THEN
                refused := refused
                    || ARRAY(SELECT f FROM unnest(found) AS f WHERE f.state <> ALL (dependent));
                held := ARRAY(SELECT f.staged_at FROM unnest(found) AS f WHERE f.state = ANY (dependent));
                waiting := headrace.left_over(waiting, found);
                work := work || (work -> 'scattered') || jsonb_build_object('size', cardinality(waiting));
            WHEN OTHERS OR assert_failure THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, context = PG_EXCEPTION_CONTEXT;
                IF NOT headrace.concerns_rows(work, state, context) THEN
                    RAISE;
                END IF;
                -- a row that can't be deleted: set by set then
        END;
    END IF;
    LOOP
        found := ARRAY(
            SELECT r FROM headrace.apply_in_sets(work || jsonb_build_object('hopeful', winning), waiting) AS r
        );
        again := ARRAY(
            SELECT f.staged_at FROM unnest(found) AS f WHERE f.state = ANY (dependent)
            UNION ALL SELECT unnest(held) ORDER BY 1
        );
        held := '{}';
        passes := passes + 1;
        -- of a tree first its root, then more with each pass
        winning := cardinality(waiting) - cardinality(again) > won OR cardinality(again) * 10 <= cardinality(waiting) * 9;
        won := cardinality(waiting) - cardinality(again);
        tried := tried + CASE WHEN winning THEN 0 ELSE cardinality(again) END;
        EXIT WHEN cardinality(again) = 0
            OR passes > 1 AND (cardinality(again) = cardinality(waiting) OR tried > 5000);
        refused := refused || ARRAY(SELECT f FROM unnest(found) AS f WHERE f.state <> ALL (dependent));
        waiting := again;
        -- at first all together: they may refer to one another
        work := work || (work -> 'scattered') || jsonb_build_object('size', cardinality(again));
    END LOOP;
    refused := refused || found;
    IF cardinality(refused) > (work ->> 'most')::integer THEN
        again := ARRAY(SELECT r.staged_at FROM unnest(refused) AS r WHERE r.state = ANY (dependent));
        RAISE EXCEPTION USING
            ERRCODE = CASE WHEN cardinality(again) * 2 < cardinality(refused) THEN 'HR003' ELSE 'HR005' END,
            MESSAGE = 'too many refused rows';
    END IF;
    RETURN QUERY
        -- they are in order, and each refused one is among them
        SELECT width_bucket(r.staged_at, everything)::bigint - 1, r.state, r.constraint_name, r.column_name
        FROM unnest(refused) AS r ORDER BY 1;
END
$$;
