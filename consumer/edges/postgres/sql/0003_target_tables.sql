CREATE TABLE headrace.target_tables (
    group_name text NOT NULL,
    table_name text NOT NULL,
    topic text NOT NULL,
    PRIMARY KEY (group_name, table_name)
);

COMMENT ON TABLE headrace.target_tables IS
    'The one topic of a group that is applied to a table. Remove a row to let another topic have the table.';
