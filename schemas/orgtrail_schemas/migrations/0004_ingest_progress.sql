CREATE TABLE IF NOT EXISTS audit.ingest_progress ${ON_CLUSTER}
(
    kafka_topic      LowCardinality(String)  COMMENT 'The topic',
    kafka_partition  UInt32                  COMMENT 'The partition',
    settled_through  DateTime64(3, 'UTC')    COMMENT 'Everything received before this broker time is stored or set aside',
    partitions       UInt32                  COMMENT 'How many partitions the topic had when this was written'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(settled_through)
ORDER BY (kafka_topic, kafka_partition)
COMMENT 'Up to when each partition is settled; never falls. Read with FINAL or max().';
