-- The API's event, named and nested as there: JSON objects, and columns of structs in Parquet.
SELECT
    toString(event_id) AS event_id,
    occurred_at,
    org_id,
    toString(event) AS event,
    event_name,
    toString(level) AS level,
    listed,
    toString(outcome) AS outcome,
    CAST((actor_type, actor_id, actor_email, actor_name), 'Tuple(type String, id String, email String, name String)') AS actor,
    if(impersonator_type = '' AND impersonator_id = '' AND impersonator_email = '' AND impersonator_name = '', NULL, CAST((impersonator_type, impersonator_id, impersonator_email, impersonator_name), 'Tuple(type String, id String, email String, name String)')) AS impersonator,
    CAST(arrayZip(targets.type, targets.id, targets.email, targets.name), 'Array(Tuple(type String, id String, email String, name String))') AS targets,
    CAST(arrayZip(changes.field, changes.old, changes.new), 'Array(Tuple(field String, old Nullable(String), new Nullable(String)))') AS changes,
    CAST((ip, country, user_agent, browser, os, device, service, request_id, session_id, trace_id), 'Tuple(ip String, country String, user_agent String, browser String, os String, device String, service String, request_id String, session_id String, trace_id String)') AS context,
    metadata,
    received_at,
    ingested_at,
    CAST((kafka_topic, kafka_partition, kafka_offset), 'Tuple(topic String, partition UInt32, offset UInt64)') AS source,
    toString(schema_fingerprint) AS schema_fingerprint
FROM audit.events
