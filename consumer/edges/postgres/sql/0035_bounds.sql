-- expand
-- Since when the oldest open letter waits is asked every few seconds. All of them failed later than never: who does not ask
-- for that does not get this index, which the planner takes for any question as long as it has not counted letters.
CREATE INDEX letters_oldest ON headrace.letters (group_name, state, first_failed_at)
    WHERE state IN ('retrying', 'held', 'dead', 'replaying') AND first_failed_at > '-infinity';
