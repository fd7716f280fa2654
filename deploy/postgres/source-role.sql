-- What Debezium needs of the source: a role that may read these tables and stream the log, and a publication of them, so
-- that the role owns nothing and may create nothing. As a superuser, as whom alone `FOR TABLES IN SCHEMA` is allowed; the
-- password is set apart.
CREATE ROLE debezium LOGIN REPLICATION;
GRANT USAGE ON SCHEMA shop TO debezium;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO debezium;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO debezium;
CREATE PUBLICATION headrace_shop FOR TABLES IN SCHEMA shop;
