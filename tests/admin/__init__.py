"""The admin API and the console, on a real PostgreSQL."""
