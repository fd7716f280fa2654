-- expand
-- First what batches lock first. Brokers without ids of topics tell the same one of each. It is none: topics that got ids by an upgrade of the brokers
-- were taken for others. Programs of before store it yet.
UPDATE headrace.positions SET topic_id = NULL WHERE topic_id = 'AAAAAAAAAAAAAAAAAAAAAA';

CREATE FUNCTION headrace.unset_topic_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.topic_id := NULL;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION headrace.unset_topic_id IS 'Keeps no id that is told of each topic.';

-- by its name in front of `positions_noted`, which takes another id for another topic
CREATE TRIGGER positions_identified BEFORE INSERT OR UPDATE OF topic_id ON headrace.positions
    FOR EACH ROW WHEN (NEW.topic_id = 'AAAAAAAAAAAAAAAAAAAAAA') EXECUTE FUNCTION headrace.unset_topic_id();
ALTER TABLE headrace.positions ENABLE ALWAYS TRIGGER positions_identified;

-- Where every table of the target is published (`FOR ALL TABLES`), the server refuses each deletion from one that does not
-- say which row it is of. Tallies have no key: rows that count the same are added side by side.
ALTER TABLE headrace.letter_tallies REPLICA IDENTITY FULL;

-- The tables of each partition are asked for every few seconds: all of the group's were read for each.
CREATE INDEX target_tables_topics ON headrace.target_tables (group_name, topic);
