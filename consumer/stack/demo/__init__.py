"""The demonstration: a small shop, streamed by Debezium and applied by Headrace, live or as a closed scenario."""
