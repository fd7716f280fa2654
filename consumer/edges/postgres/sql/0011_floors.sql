-- What truncates leave behind: where changes of other partitions come later, those in front of it are kept out.
ALTER TABLE headrace.target_tables ADD COLUMN floor bigint;

COMMENT ON COLUMN headrace.target_tables.floor IS
    'Where the last truncate that was applied stands in the source''s log; older changes of the table are kept out. Only of tables with a version column.';
