-- expand
-- Both indexes began with the group and have the same letters. As long as nothing is known of how letters differ, the
-- planner takes either for any question of a row's letters, and this one had all open letters of the group read for each.
DROP INDEX headrace.letters_open;
CREATE UNIQUE INDEX letters_open ON headrace.letters (topic, partition, group_name, "offset")
    WHERE state IN ('retrying', 'held', 'dead', 'replaying');
