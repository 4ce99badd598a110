-- One row an event. Duplicates (replays, retries) share the sorting key; of two records with one key
-- the one received first stays, because its version is the highest (falling versions).
CREATE TABLE IF NOT EXISTS audit.events_store ${ON_CLUSTER}
(
    event_id            UUID                        COMMENT 'UUIDv7, unique to an event; one event of several organizations has a row in each',
    occurred_at         DateTime64(3, 'UTC')        COMMENT 'When it happened' CODEC(Delta(8), ZSTD(1)),
    org_id              String                      COMMENT 'The organization' CODEC(ZSTD(1)),
    event               LowCardinality(String)      COMMENT 'Key of the catalogue',
    level               LowCardinality(String)      COMMENT 'user, organization or other',
    outcome             LowCardinality(String)      COMMENT 'success, failure or denied',
    actor_type          LowCardinality(String)      COMMENT 'user, service_account, support or system',
    actor_id            String                      COMMENT 'Whose account acted' CODEC(ZSTD(1)),
    actor_email         String                      COMMENT 'Personal. A snapshot, taken when it happened' CODEC(ZSTD(1)),
    actor_name          String                      COMMENT 'Personal' CODEC(ZSTD(1)),
    impersonator_type   LowCardinality(String)      COMMENT 'Empty when nobody impersonated the actor',
    impersonator_id     String                      COMMENT 'Who was really at the keyboard' CODEC(ZSTD(1)),
    impersonator_email  String                      COMMENT 'Personal' CODEC(ZSTD(1)),
    impersonator_name   String                      COMMENT 'Personal' CODEC(ZSTD(1)),
    targets             Nested(type LowCardinality(String), id String, email String, name String) COMMENT 'Who or what was acted upon; email and name are personal',
    changes             Nested(field LowCardinality(String), old Nullable(String), new Nullable(String)) COMMENT 'What changed; the value of a secret is [redacted]',
    ip                  String                      COMMENT 'Personal' CODEC(ZSTD(1)),
    country             LowCardinality(String)      COMMENT 'ISO 3166-1 alpha-2, of the IP address; empty when unknown',
    user_agent          String                      COMMENT 'Personal' CODEC(ZSTD(1)),
    browser             LowCardinality(String)      COMMENT 'From the user agent',
    os                  LowCardinality(String)      COMMENT 'From the user agent',
    device              LowCardinality(String)      COMMENT 'From the user agent',
    service             LowCardinality(String)      COMMENT 'The service that emitted it',
    request_id          String                      COMMENT 'The request that caused it' CODEC(ZSTD(1)),
    session_id          String                      COMMENT 'Personal. The session that it happened in' CODEC(ZSTD(1)),
    trace_id            String                      COMMENT 'W3C Trace Context trace-id' CODEC(ZSTD(1)),
    metadata            Map(String, String)         COMMENT 'Whatever else the service said; personal unless the catalogue says otherwise' CODEC(ZSTD(1)),
    received_at         DateTime64(3, 'UTC')        COMMENT 'When Kafka received it (LogAppendTime)' CODEC(Delta(8), ZSTD(1)),
    ingested_at         DateTime64(3, 'UTC')        COMMENT 'When the consumer stored it' CODEC(Delta(8), ZSTD(1)),
    kafka_topic         LowCardinality(String)      COMMENT 'Source position: topic',
    kafka_partition     UInt32                      COMMENT 'Source position: partition' CODEC(ZSTD(1)),
    kafka_offset        UInt64                      COMMENT 'Source position: offset' CODEC(Delta(8), ZSTD(1)),
    schema_fingerprint  LowCardinality(String)      COMMENT 'CRC-64-AVRO of the schema that it was written with',
    version             UInt128 MATERIALIZED bitNot(bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Milli(received_at)), 64), toUInt128(kafka_offset))) COMMENT 'Falls as time goes on: the first copy stays',

    INDEX event_idx               event               TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX event_id_idx            event_id            TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX actor_id_idx            actor_id            TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX actor_email_idx         actor_email         TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX impersonator_id_idx     impersonator_id     TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX impersonator_email_idx  impersonator_email  TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX targets_id_idx          targets.id          TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX targets_email_idx       targets.email       TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX ip_idx                  ip                  TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX request_id_idx          request_id          TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX session_id_idx          session_id          TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX level_idx               level               TYPE set(3) GRANULARITY 1,
    INDEX outcome_idx             outcome             TYPE set(3) GRANULARITY 1,
    INDEX country_idx             country             TYPE set(16) GRANULARITY 1,
    INDEX received_at_idx         received_at         TYPE minmax GRANULARITY 1
)
ENGINE = ${REPLICATED}ReplacingMergeTree(version)
PARTITION BY toMonday(occurred_at)
ORDER BY (org_id, occurred_at, event_id)
TTL toDateTime(occurred_at) + INTERVAL 90 DAY
SETTINGS index_granularity = 128, ttl_only_drop_parts = 1
COMMENT 'Storage of audit events. Read audit.events instead: it deduplicates and ends at the retention.';
