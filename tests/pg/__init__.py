"""Tests that need one PostgreSQL server, which they start themselves."""
