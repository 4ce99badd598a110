"""From Kafka to ClickHouse: decode, enrich, write, and set aside what cannot be stored."""
