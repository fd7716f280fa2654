"""The target database: sessions, catalog, positions, staging, the batch transaction."""
