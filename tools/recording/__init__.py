"""Records Debezium's events of real MySQL and MariaDB servers for the tests: `python -m tools.recording --help`."""
