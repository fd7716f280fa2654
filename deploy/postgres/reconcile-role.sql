-- What comparisons need of the source: a role that may read the tables, and see how far the connector is. It can write
-- nothing and stream nothing. As the tables' owner or a superuser; the password is set apart.
CREATE ROLE headrace_reconcile LOGIN;
ALTER ROLE headrace_reconcile SET default_transaction_read_only = on;
GRANT USAGE ON SCHEMA shop TO headrace_reconcile;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO headrace_reconcile;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO headrace_reconcile;
-- how much of its log the connector has got: without it, a source at rest can't be compared where rows differ
GRANT pg_read_all_stats TO headrace_reconcile;
