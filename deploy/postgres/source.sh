#!/bin/sh
# Runs once, in front of the first start of the source: the shop's tables, then Debezium's role.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --file /sql/shop.sql --file /sql/source-role.sql
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set "password=$DEBEZIUM_PASSWORD" <<'SQL'
ALTER ROLE debezium PASSWORD :'password';
SQL
