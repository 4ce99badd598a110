"""A real Apache Kafka broker and a real ClickHouse server on one machine, without Docker."""
