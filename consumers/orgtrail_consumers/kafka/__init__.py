"""Batches of records out of Kafka, and the offsets committed to it."""
