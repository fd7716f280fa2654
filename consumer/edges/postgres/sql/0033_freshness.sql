-- expand
-- A log may be shorter than what was read of it, or nobody tells how far it reaches: what was seen of it before stays, with
-- the time of that look, and the trend says that nothing is known by now.
ALTER TABLE headrace.lags DROP CONSTRAINT lags_trend_check, ADD CONSTRAINT lags_trend_check CHECK (
    trend IN ('ok', 'catching up', 'behind', 'waiting', 'paused', 'not known', 'stalled', 'stopped', 'no worker')
);

COMMENT ON COLUMN headrace.lags.looked_at IS
    'The newest look at which it was known how far the log reaches; `trend` and `why` may be newer.';

-- A read of an incremental snapshot is newer than changes that come behind it: by its time nothing is complete.
ALTER TABLE headrace.positions ADD COLUMN changed_at timestamptz;

COMMENT ON COLUMN headrace.positions.changed_at IS
    'As source_at, without records that a snapshot has read: what the source had committed before is applied.';

CREATE OR REPLACE VIEW headrace.freshness AS
WITH parts AS (
    SELECT p.group_name, t.table_name, p.topic, p.source_at, p.changed_at, l.looked_at, l.trend, s.heard_at,
        greatest(l.end_offset - p.next_offset, 0) AS records,
        CASE
            WHEN p.next_offset >= l.end_offset THEN l.looked_at
            WHEN p.next_offset >= l.position THEN l.passed_at
        END AS passed_at
    FROM headrace.positions p
    JOIN headrace.target_tables t ON t.group_name = p.group_name AND t.topic = p.topic
    LEFT JOIN headrace.lags l
        ON l.group_name = p.group_name AND l.topic = p.topic AND l.partition = p.partition
    LEFT JOIN headrace.source_signs s ON s.group_name = p.group_name
), known AS (
    -- what came to Kafka until a look is there; what the source has not sent by then is not
    SELECT *, greatest(changed_at, CASE WHEN passed_at IS NOT NULL THEN least(passed_at, heard_at) END) AS complete_to
    FROM parts
)
SELECT k.group_name, k.table_name,
    CASE WHEN bool_and(k.complete_to IS NOT NULL) THEN min(k.complete_to) END AS complete_to,
    max(k.source_at) AS newest_change_at,
    sum(k.records)::bigint AS records_behind,
    (
        SELECT coalesce(sum(n.letters), 0)::bigint
        FROM headrace.letter_groups g
        JOIN headrace.letter_tallies n ON n.group_name = g.group_name AND n.fingerprint = g.fingerprint
        WHERE g.group_name = k.group_name AND g.topic = ANY (array_agg(k.topic))
            AND n.state IN ('retrying', 'held', 'dead', 'replaying')
    ) AS open_letters,
    -- the worst
    CASE max(array_position(
        ARRAY['ok', 'catching up', 'behind', 'waiting', 'paused', 'not known', 'stalled', 'stopped', 'no worker'], k.trend
    ))
        WHEN 1 THEN 'ok' WHEN 2 THEN 'catching up' WHEN 3 THEN 'behind' WHEN 4 THEN 'waiting' WHEN 5 THEN 'paused'
        WHEN 6 THEN 'not known' WHEN 7 THEN 'stalled' WHEN 8 THEN 'stopped' WHEN 9 THEN 'no worker'
    END AS trend,
    min(k.looked_at) AS looked_at,
    max(k.heard_at) AS source_heard_at
FROM known k
GROUP BY k.group_name, k.table_name;
