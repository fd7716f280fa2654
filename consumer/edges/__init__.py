"""One driver each: Kafka, the schema registry, Avro, PostgreSQL."""
