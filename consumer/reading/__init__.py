"""The reader thread: polls, gathers, has batches planned, hands them over. It never waits for the database."""
