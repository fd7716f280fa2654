"""Another process's API, behind the same ports as the database: what commands ask and decide from elsewhere."""
