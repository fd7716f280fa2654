-- A letter whose row became known only later: its partition is searched for later changes of the row.
ALTER TABLE headrace.letters ADD COLUMN searched bigint;
ALTER TABLE headrace.letters ADD COLUMN search_until bigint
    CHECK (num_nulls(searched, search_until) <> 1 AND searched <= search_until);
ALTER TABLE headrace.letters ADD COLUMN search_doubt text CHECK (search_doubt IN ('partial', 'unread', 'compacted'));

COMMENT ON COLUMN headrace.letters.searched IS
    'The next offset of its partition to be looked at for a later change of its row. Null if nothing was ever to search.';
COMMENT ON COLUMN headrace.letters.search_until IS
    'The stored position when its row became known: whatever is applied from there on sees the letter.';
COMMENT ON COLUMN headrace.letters.search_doubt IS
    'Why the search, once at its end, does not let the letter be applied, unless a full image or a delete is found.';
COMMENT ON COLUMN headrace.letters.claimed_until IS
    'Until then a worker is publishing it, or searching for it; nobody else does.';

CREATE INDEX letters_searched ON headrace.letters (group_name, topic, partition, searched)
    WHERE searched < search_until AND state IN ('retrying', 'replaying');
