-- What a worker needs of the target: staging tables, and a control schema that it owns. It may make schemas and tables,
-- since the tables of the replica are made from the schemas of their topics. As the database's owner, in that database;
-- the password is set apart. Of tables that somebody else has made it needs SELECT, INSERT, UPDATE and DELETE. How to give
-- less, and which columns it has to read: docs/how-to/least-privileges.md.
CREATE ROLE headrace_apply LOGIN;
DO $$
BEGIN
    EXECUTE format('GRANT CONNECT, TEMPORARY, CREATE ON DATABASE %I TO headrace_apply', current_database());
END
$$;
