"""Fetches batches of records from Kafka, and commits their offsets."""
