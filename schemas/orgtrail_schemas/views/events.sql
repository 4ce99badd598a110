-- The view that people read: one row per event (FINAL), never older than the retention, with the
-- event names of the current catalogue.
CREATE OR REPLACE VIEW audit.events ${ON_CLUSTER}
(
${COLUMNS}
)
DEFINER = audit_definer SQL SECURITY DEFINER
AS SELECT
    ${SELECT}
FROM audit.events_store FINAL
WHERE occurred_at >= now64(3, 'UTC') - INTERVAL ${RETENTION_DAYS} DAY
