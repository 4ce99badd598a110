-- At a granularity of 128 a part of an insert holds many small compressed blocks, and ZSTD sets up a
-- context for each (docs/benchmarks.md, "Where the microseconds go"): LZ4, ClickHouse's default, has none.
-- Merging all columns together costs less than one by one, and merging more parts at once, less often.
ALTER TABLE audit.events_store ${ON_CLUSTER}
    MODIFY COLUMN org_id REMOVE CODEC,
    MODIFY COLUMN actor_id REMOVE CODEC,
    MODIFY COLUMN actor_email REMOVE CODEC,
    MODIFY COLUMN actor_name REMOVE CODEC,
    MODIFY COLUMN impersonator_id REMOVE CODEC,
    MODIFY COLUMN impersonator_email REMOVE CODEC,
    MODIFY COLUMN impersonator_name REMOVE CODEC,
    MODIFY COLUMN ip REMOVE CODEC,
    MODIFY COLUMN user_agent REMOVE CODEC,
    MODIFY COLUMN request_id REMOVE CODEC,
    MODIFY COLUMN session_id REMOVE CODEC,
    MODIFY COLUMN trace_id REMOVE CODEC,
    MODIFY COLUMN metadata REMOVE CODEC,
    MODIFY COLUMN kafka_partition REMOVE CODEC,
    MODIFY COLUMN occurred_at CODEC(Delta(8), LZ4),
    MODIFY COLUMN received_at CODEC(Delta(8), LZ4),
    MODIFY COLUMN ingested_at CODEC(Delta(8), LZ4),
    MODIFY COLUMN kafka_offset CODEC(Delta(8), LZ4);
ALTER TABLE audit.events_store ${ON_CLUSTER}
    MODIFY SETTING enable_vertical_merge_algorithm = 0, min_parts_to_merge_at_once = 8;
