-- The order of two records with one key: by time of receipt, then partition, then offset. Offsets of
-- different partitions cannot be compared, and were: the record with the lower offset won, although
-- neither came first. This order has no ties. Within a partition a later record never wins.
-- It costs nothing for existing rows: they keep their version, which wins over any later record.
ALTER TABLE audit.events_store ${ON_CLUSTER}
    MODIFY COLUMN version UInt128 MATERIALIZED bitNot(bitOr(bitOr(
        bitShiftLeft(toUInt128(toUnixTimestamp64Milli(received_at)), 84),
        bitShiftLeft(toUInt128(kafka_partition), 64)),
        toUInt128(kafka_offset)))
    COMMENT 'Falls with time of receipt, partition and offset: the first copy stays';
