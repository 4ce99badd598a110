"""From Kafka to ClickHouse: decodes, enriches and stores events, and dead-letters the rest."""
