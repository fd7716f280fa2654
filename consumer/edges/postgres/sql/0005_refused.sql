CREATE TYPE headrace.refusal AS (staged_at tid, state text, constraint_name text, column_name text);

CREATE FUNCTION headrace.left_over(staged tid[], refused headrace.refusal[]) RETURNS tid[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY(
        SELECT s FROM unnest(staged) AS s
        WHERE NOT EXISTS (SELECT FROM unnest(refused) AS r WHERE r.staged_at = s) ORDER BY s
    )
$$;

COMMENT ON FUNCTION headrace.left_over IS 'The staged rows that are not among the refused ones, in their order.';

CREATE FUNCTION headrace.concerns_rows(work jsonb, state text, context text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(
        (work -> 'rules' ->> state)::boolean,
        (work -> 'rules' ->> left(state, 3))::boolean,
        (work -> 'rules' ->> left(state, 2))::boolean,
        -- of the functions named so far one is ours: the other is a trigger's, which may have states of its own
        (regexp_split_to_array(context, '(apply_in_sets|refused_rows)[(]'))[1] LIKE '%PL/%PL/%'
    )
$$;

COMMENT ON FUNCTION headrace.concerns_rows IS
    'Whether an error speaks of rows: by a rule for its SQLSTATE, else if it arose in code of the target, as `context` says.';

-- `work`: action, statement, before (what runs in front of it), rules (whether an SQLSTATE, or its first characters, speaks
-- of rows), size (rows of a set at most), most (refused rows at most), dependent (states of rows that are refused because of
-- other rows), hopeful (those others may still come, so they are not counted), plain (every row is taken for a new one: a
-- unique value that is there ends it all as HR006). The staged rows of a statement are those whose
-- ctid is in $1 (`scattered`), or from $2 to $3 (`adjoining`: it is never planned as a scan of all).
CREATE FUNCTION headrace.apply_in_sets(work jsonb, staged tid[]) RETURNS SETOF headrace.refusal
LANGUAGE plpgsql AS $$
DECLARE
    -- the set is staged[here : beyond - 1]
    here integer := 1;
    beyond integer;
    part tid[];
    total integer := coalesce(cardinality(staged), 0);
    size integer := (work ->> 'size')::integer;
    -- the last row of a set that was refused: one up to it is bad
    suspect integer := 0;
    -- rows since the last bad one
    good integer := 0;
    found integer := 0;
    dependents integer := 0;
    met bigint;
    kept bigint;
    distinct_kept bigint;
    refused headrace.refusal;
    context text;
BEGIN
    WHILE here <= total LOOP
        beyond := CASE WHEN suspect >= here THEN here + (suspect - here + 1) / 2 ELSE least(here + size, total + 1) END;
        -- of a suspect that stands alone
        beyond := greatest(beyond, here + 1);
        part := staged[here : beyond - 1];
        BEGIN
            IF work ->> 'before' IS NOT NULL THEN
                EXECUTE work ->> 'before' USING part, staged[here], staged[beyond - 1];
            END IF;
            IF work ->> 'action' = 'update' THEN
                EXECUTE work ->> 'statement' INTO met, kept USING part, staged[here], staged[beyond - 1];
                IF kept < beyond - here THEN
                    RAISE EXCEPTION USING ERRCODE = 'HR001', MESSAGE = 'no row to update';
                ELSIF met > kept THEN
                    RAISE EXCEPTION USING ERRCODE = 'HR002', MESSAGE = 'several rows to update';
                END IF;
            ELSIF work ->> 'action' = 'replace' THEN
                EXECUTE work ->> 'statement' INTO met, kept, distinct_kept USING part, staged[here], staged[beyond - 1];
                IF met <> kept OR kept <> distinct_kept THEN
                    RAISE EXCEPTION USING ERRCODE = 'HR004', MESSAGE = 'a key was not kept';
                END IF;
            ELSE
                EXECUTE work ->> 'statement' USING part, staged[here], staged[beyond - 1];
            END IF;
            good := good + beyond - here;
            size := least(size * 2, (work ->> 'size')::integer);
            here := beyond;
        -- OTHERS leaves out ASSERT, by which a trigger may refuse a row, and a cancelled query, which is no row's matter
        EXCEPTION WHEN OTHERS OR assert_failure THEN
            GET STACKED DIAGNOSTICS
                refused.state = RETURNED_SQLSTATE,
                refused.constraint_name = CONSTRAINT_NAME,
                refused.column_name = COLUMN_NAME,
                context = PG_EXCEPTION_CONTEXT;
            IF refused.state = '23505' AND (work ->> 'plain')::boolean THEN
                RAISE EXCEPTION USING ERRCODE = 'HR006', MESSAGE = 'a row is there already';
            END IF;
            IF NOT headrace.concerns_rows(work, refused.state, context) THEN
                RAISE;
            END IF;
            IF beyond - here > 1 THEN
                -- apart, both would pass, and the second would silently take the first one's place
                IF refused.state = '21000' THEN
                    RAISE;
                END IF;
                suspect := beyond - 1;
            ELSE
                IF NOT (work -> 'dependent' ? refused.state) THEN
                    found := found + 1;
                ELSIF NOT coalesce((work ->> 'hopeful')::boolean, false) THEN
                    dependents := dependents + 1;
                END IF;
                IF greatest(found, dependents) > (work ->> 'most')::integer THEN
                    RAISE EXCEPTION USING
                        ERRCODE = CASE WHEN found > dependents THEN 'HR003' ELSE 'HR005' END,
                        MESSAGE = 'too many refused rows';
                END IF;
                refused.staged_at := staged[here];
                RETURN NEXT refused;
                -- where bad rows are dense, large sets are tried in vain
                size := least(greatest(good, 1), (work ->> 'size')::integer);
                good := 0;
                suspect := 0;
                here := beyond;
            END IF;
        END;
    END LOOP;
END
$$;

COMMENT ON FUNCTION headrace.apply_in_sets IS
    'Applies staged rows in their order, in sets that are halved where the target refuses them; returns single rows that it refuses.';

CREATE FUNCTION headrace.merged_keys(staging regclass, target regclass, keys jsonb) RETURNS text
LANGUAGE sql STABLE AS $$
    -- a cast to varchar(n), char(n) or bit(n) would cut what the table refuses
    SELECT format(
        'SELECT array_agg(m.staged_at) FROM (SELECT unnest(array_agg(s.ctid)) AS staged_at FROM (SELECT ctid, * FROM %s'
        ' WHERE ctid = ANY ($1)) AS s GROUP BY %s HAVING count(*) > 1) AS m',
        staging,
        string_agg(
            format(
                'CAST(%s AS %s)%s',
                key.value,
                CASE
                    WHEN base.oid IN ('varchar'::regtype, 'bpchar'::regtype, 'bit'::regtype, 'varbit'::regtype)
                    THEN format_type(base.oid, -1)
                    ELSE format_type(base.oid, CASE WHEN type.typtype = 'd' THEN type.typtypmod ELSE a.atttypmod END)
                END,
                CASE WHEN a.attcollation <> 0 THEN ' COLLATE ' || a.attcollation::regcollation END
            ),
            ', '
        )
    )
    FROM jsonb_each_text(keys) AS key
    JOIN pg_attribute AS a ON a.attrelid = target AND a.attname = key.key
    JOIN pg_type AS type ON type.oid = a.atttypid
    JOIN pg_type AS base ON base.oid = CASE WHEN type.typtype = 'd' THEN type.typbasetype ELSE type.oid END
$$;

COMMENT ON FUNCTION headrace.merged_keys IS
    'A query for the staged rows whose keys are one key in the target''s types.';

CREATE FUNCTION headrace.refused_rows(staging regclass, target regclass, work jsonb)
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
            SELECT r FROM headrace.apply_in_sets(work || jsonb_build_object('hopeful', passes = 0), waiting) AS r
        );
        again := ARRAY(
            SELECT f.staged_at FROM unnest(found) AS f WHERE f.state = ANY (dependent)
            UNION ALL SELECT unnest(held) ORDER BY 1
        );
        held := '{}';
        passes := passes + 1;
        EXIT WHEN cardinality(again) = 0 OR passes > 1 AND cardinality(again) = cardinality(waiting);
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

COMMENT ON FUNCTION headrace.refused_rows IS
    'Applies the rows of a staging table and returns those that the target refuses: by their place in it, without any value.';
