-- What a row costs ClickHouse, at insert and in every merge (docs/benchmarks.md, "Where the microseconds
-- go"). A part of one insert is one file instead of 171. Large parts stay wide, because counts read few
-- columns; their compressed blocks are smaller than by default, because a page reads single granules.
-- A dictionary for every granule of 128 rows costs more than the text that it saves; event and level
-- keep theirs, because the summary groups by them. Readers see the types as before: audit.events declares
-- them. Statistics of columns help no read here.
ALTER TABLE audit.events_store ${ON_CLUSTER}
    MODIFY SETTING
        min_bytes_for_wide_part = 134217728,
        min_compress_block_size = 4096,
        max_compress_block_size = 16384,
        auto_statistics_types = '';
-- These columns of existing parts are rewritten in the background. Reads and inserts go on meanwhile, and
-- reads convert what is not rewritten yet.
ALTER TABLE audit.events_store ${ON_CLUSTER}
    MODIFY COLUMN outcome String,
    MODIFY COLUMN actor_type String,
    MODIFY COLUMN impersonator_type String,
    MODIFY COLUMN country String,
    MODIFY COLUMN browser String,
    MODIFY COLUMN os String,
    MODIFY COLUMN device String,
    MODIFY COLUMN service String,
    MODIFY COLUMN kafka_topic String,
    MODIFY COLUMN schema_fingerprint String,
    MODIFY COLUMN targets.type Array(String),
    MODIFY COLUMN changes.field Array(String)
    SETTINGS alter_sync = 0;
