CREATE TABLE IF NOT EXISTS audit.dead_letters ${ON_CLUSTER}
(
    org_id            String                  COMMENT 'From the Kafka key; empty when there was none',
    received_at       DateTime64(3, 'UTC')    COMMENT 'When Kafka received the record',
    reason            LowCardinality(String)  COMMENT 'Why it was set aside',
    kafka_topic       LowCardinality(String)  COMMENT 'Source position: topic',
    kafka_partition   UInt32                  COMMENT 'Source position: partition',
    kafka_offset      UInt64                  COMMENT 'Source position: offset',
    dead_lettered_at  DateTime64(3, 'UTC')    COMMENT 'When the consumer set it aside'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(dead_lettered_at)
ORDER BY (org_id, received_at, kafka_topic, kafka_partition, kafka_offset)
TTL toDateTime(received_at) + INTERVAL 90 DAY
COMMENT 'One row a record that could not be stored, without its payload (that is on the dead-letter topic). Read with FINAL.';
