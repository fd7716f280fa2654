-- Whether a log still holds what was read of it.
ALTER TABLE headrace.positions ADD COLUMN last_record bigint, ADD COLUMN read_to bigint;

COMMENT ON COLUMN headrace.positions.leader_epoch IS 'The leader epoch of the last record.';
COMMENT ON COLUMN headrace.positions.last_record IS 'The last record that was read in front of the position.';
COMMENT ON COLUMN headrace.positions.read_to IS
    'The position that leader epoch and last record belong to; they say nothing of one that was set by hand.';
