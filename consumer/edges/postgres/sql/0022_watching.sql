-- What is known of how far tables are, for who watches: also while no worker of the group runs.
ALTER TABLE headrace.positions ADD COLUMN source_at timestamptz;

COMMENT ON COLUMN headrace.positions.source_at IS
    'The newest source time among the records of the last batch that had any.';

ALTER TABLE headrace.workers ADD COLUMN metrics_port integer;

COMMENT ON COLUMN headrace.workers.metrics_port IS 'Where its metrics are served, on its host; null where they are not.';

CREATE TABLE headrace.lags (
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    -- the stored position, and the end of the log, at the time of the look
    position bigint NOT NULL,
    end_offset bigint NOT NULL,
    -- how long the oldest record that was not applied had been in its log
    seconds double precision,
    trend text NOT NULL CHECK (
        trend IN ('ok', 'catching up', 'behind', 'waiting', 'paused', 'stalled', 'stopped', 'no worker')
    ),
    why text NOT NULL DEFAULT '',
    looked_at timestamptz NOT NULL,
    passed_at timestamptz,
    PRIMARY KEY (group_name, topic, partition)
) WITH (fillfactor = 50);

COMMENT ON TABLE headrace.lags IS
    'How far each partition was behind its log when that was last looked at, by one worker of the group or the admin process.';
COMMENT ON COLUMN headrace.lags.passed_at IS
    'The newest look at which the log did not reach beyond the position of now: all that was there then is applied.';

CREATE TABLE headrace.source_signs (
    group_name text PRIMARY KEY,
    -- the heartbeat topic, and since when its newest record lies there
    topic text NOT NULL,
    heard_at timestamptz NOT NULL
);

COMMENT ON TABLE headrace.source_signs IS 'When the source was last heard of, by its heartbeats.';

CREATE VIEW headrace.freshness AS
WITH parts AS (
    SELECT p.group_name, t.table_name, p.topic, p.source_at, l.looked_at, l.trend, s.heard_at,
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
    SELECT *, greatest(source_at, CASE WHEN passed_at IS NOT NULL THEN least(passed_at, heard_at) END) AS complete_to
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
        ARRAY['ok', 'catching up', 'behind', 'waiting', 'paused', 'stalled', 'stopped', 'no worker'], k.trend
    ))
        WHEN 1 THEN 'ok' WHEN 2 THEN 'catching up' WHEN 3 THEN 'behind' WHEN 4 THEN 'waiting' WHEN 5 THEN 'paused'
        WHEN 6 THEN 'stalled' WHEN 7 THEN 'stopped' WHEN 8 THEN 'no worker'
    END AS trend,
    min(k.looked_at) AS looked_at,
    max(k.heard_at) AS source_heard_at
FROM known k
GROUP BY k.group_name, k.table_name;

COMMENT ON VIEW headrace.freshness IS
    'By table: every change that the source had committed before `complete_to`, and that came to Kafka, is in it, but for those of `open_letters`.';

-- how much of the retry lane is due is asked often
CREATE INDEX letters_due ON headrace.letters (group_name, due_at) WHERE state IN ('retrying', 'replaying');
