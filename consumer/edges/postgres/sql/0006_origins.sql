-- What a letter that only points to its record is worth: whether the record is still in its log.
ALTER TABLE headrace.letters ADD COLUMN origin_log text CHECK (origin_log IN ('leaving', 'gone'));

COMMENT ON COLUMN headrace.letters.origin_log IS
    'Of a letter that points to its record: the record is about to leave its log, or has left it. The log said so once.';
COMMENT ON COLUMN headrace.letter_bytes.edit IS
    'What people changed, in order: who, when, and the JSON Patch. It holds row values.';
