-- What a table that is refused costs its letters is time: no attempt of theirs.
ALTER TABLE headrace.letters ADD COLUMN excused integer NOT NULL DEFAULT 0 CHECK (excused BETWEEN 0 AND attempt);

COMMENT ON COLUMN headrace.letters.excused IS
    'How many of the attempts failed for the table''s sake; they count in no budget.';
