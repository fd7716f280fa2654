-- What a worker does not read under pressure, for people who wonder why a table waits.
ALTER TABLE headrace.workers ADD COLUMN held_back jsonb;

COMMENT ON COLUMN headrace.workers.held_back IS
    'Level, strain, why, since (seconds since 1970), priorities and topics of what is not read for the sake of others; null without pressure.';
