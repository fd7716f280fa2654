-- expand
-- First what batches lock first. With another id of its key's schema a row's changes go on in another partition.
ALTER TABLE headrace.positions ADD COLUMN key_ids jsonb;

COMMENT ON COLUMN headrace.positions.key_ids IS
    'By table the ids of schemas that keys in front of the position had. Null where that is not known, as once it was set by hand.';
