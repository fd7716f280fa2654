-- Each version of a letter has an entry in this index. Entries with equal keys that share an item can only be removed
-- together, so dead versions were read with every batch as long as the letter was open, until the next VACUUM.
ALTER INDEX headrace.letters_rows SET (deduplicate_items = off);
REINDEX INDEX headrace.letters_rows;
