-- Both indexes begin with the table. As long as nothing is known of how letters differ, the planner takes either for any
-- question of a row's letters, and this one has all letters of the table read for each. Who does not ask for types does not
-- get it.
DROP INDEX headrace.letters_row_types;
CREATE INDEX letters_row_types ON headrace.letters (group_name, table_name, row_types) WITH (deduplicate_items = off)
    WHERE state IN ('retrying', 'held', 'dead', 'replaying') AND row_types IS NOT NULL;
