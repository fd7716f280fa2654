"""The benchmark: Headrace and the Debezium JDBC sink connector on the same topics, in turns."""
