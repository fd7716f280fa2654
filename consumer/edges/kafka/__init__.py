"""Kafka, through librdkafka: one group member that reads, and a client that answers questions."""
