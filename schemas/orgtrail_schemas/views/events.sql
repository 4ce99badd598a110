-- The view that people read: one row per event (FINAL), never older than the retention, with the
-- event names of the current catalogue.
CREATE OR REPLACE VIEW audit.events ${ON_CLUSTER}
(
${COLUMNS}
)
DEFINER = ${DEFINER} SQL SECURITY DEFINER
AS SELECT
    event_id, occurred_at, org_id, event,
    transform(toString(event), ${EVENT_KEYS}, ${EVENT_NAMES}, toString(event)) AS event_name,
    level,
    toBool(has(${EVENT_KEYS}, toString(event))) AS listed,
    outcome,
    actor_type, actor_id, actor_email, actor_name,
    impersonator_type, impersonator_id, impersonator_email, impersonator_name,
    targets.type, targets.id, targets.email, targets.name,
    changes.field, changes.old, changes.new,
    ip, country, user_agent, browser, os, device,
    service, request_id, session_id, trace_id, metadata,
    received_at, ingested_at, kafka_topic, kafka_partition, kafka_offset, schema_fingerprint
FROM audit.events_store FINAL
WHERE occurred_at >= now64(3, 'UTC') - INTERVAL 90 DAY
