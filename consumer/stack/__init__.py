"""The embedded real stack: everything that a change-data pipeline needs, from packages alone."""
