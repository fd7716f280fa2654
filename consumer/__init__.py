"""The Headrace service: Debezium change topics applied to PostgreSQL."""
