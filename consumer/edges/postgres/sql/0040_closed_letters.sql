-- expand
-- A batch is shown with the letters of its records, whatever became of them. Open ones are found by their records, closed
-- ones were looked for among all letters of the group.
CREATE INDEX letters_closed_records ON headrace.letters (topic, partition, group_name, "offset")
    WHERE state NOT IN ('retrying', 'held', 'dead', 'replaying');
