#!/bin/sh
# Runs once, in front of the first start of the target: the workers' role.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file /sql/target-role.sql
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set "password=$APPLY_PASSWORD" <<'SQL'
ALTER ROLE headrace_apply PASSWORD :'password';
SQL
