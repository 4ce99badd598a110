-- The outbox in PostgreSQL. {table} is the outbox, {index} its name without a schema.
-- Debezium's outbox event router expects the columns id, aggregatetype, aggregateid, type, payload.

-- name: create_table
-- Rows exist for milliseconds, so vacuum after a number of dead rows, not a share of the table.
CREATE TABLE IF NOT EXISTS {table} (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL,
  aggregatetype text NOT NULL,
  aggregateid text COLLATE "C" NOT NULL,
  type text NOT NULL,
  payload bytea NOT NULL,
  ce_source text NOT NULL,
  ce_time text NOT NULL,
  traceparent text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  delivered_at timestamptz,
  refused text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)

-- name: create_waiting
CREATE INDEX IF NOT EXISTS {index}_waiting ON {table} (aggregatetype, aggregateid, position)
WHERE delivered_at IS NULL AND refused IS NULL

-- name: create_delivered
CREATE INDEX IF NOT EXISTS {index}_delivered ON {table} (delivered_at)
WHERE delivered_at IS NOT NULL

-- name: create_lease
CREATE TABLE IF NOT EXISTS {table}_lease (
  aggregateid text COLLATE "C" PRIMARY KEY,
  holder text NOT NULL,
  until timestamptz NOT NULL
)

-- name: insert
INSERT INTO {table}
  (id, aggregatetype, aggregateid, type, payload, ce_source, ce_time, traceparent)
VALUES (CAST(:id AS uuid), :aggregatetype, :aggregateid, :type, :payload, :ce_source, :ce_time,
  :traceparent)

-- name: begin
BEGIN

-- name: waiting
-- The next organizations that have waiting rows and are not leased. The query jumps from one
-- organization to the next in the index, so its cost does not grow with the number of rows.
WITH RECURSIVE org (aggregateid) AS (
  (
    SELECT aggregateid FROM {table}
    WHERE aggregatetype = :topic AND aggregateid > :after
      AND delivered_at IS NULL AND refused IS NULL
    ORDER BY aggregateid LIMIT 1
  )
  UNION ALL
  SELECT (
    SELECT r.aggregateid FROM {table} AS r
    WHERE r.aggregatetype = :topic AND r.aggregateid > org.aggregateid
      AND r.delivered_at IS NULL AND r.refused IS NULL
    ORDER BY r.aggregateid LIMIT 1
  )
  FROM org WHERE org.aggregateid IS NOT NULL
)
SELECT org.aggregateid FROM org
WHERE org.aggregateid IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM {table}_lease AS lease
  WHERE lease.aggregateid = org.aggregateid AND lease.until > clock_timestamp()
)
LIMIT :orgs

-- name: add_leases
INSERT INTO {table}_lease (aggregateid, holder, until)
SELECT org.id, '', clock_timestamp() FROM jsonb_array_elements_text(CAST(:names AS jsonb)) AS org (id)
ORDER BY org.id
ON CONFLICT (aggregateid) DO NOTHING

-- name: lease
WITH free AS MATERIALIZED (
  SELECT aggregateid FROM {table}_lease
  WHERE aggregateid IN (SELECT jsonb_array_elements_text(CAST(:names AS jsonb)))
    AND until <= clock_timestamp()
  FOR UPDATE SKIP LOCKED
)
UPDATE {table}_lease AS lease
SET holder = :holder, until = clock_timestamp() + make_interval(secs => :seconds)
FROM free WHERE lease.aggregateid = free.aggregateid
RETURNING lease.aggregateid

-- name: rows
-- The first rows of each leased organization, at most :share rows each and about :bytes in total,
-- but at least one row. Rows beyond the byte limit have higher positions than all returned rows.
SELECT position, CAST(id AS text), aggregateid, type, payload, ce_source, ce_time, traceparent
FROM (
  SELECT r.*, sum(octet_length(r.payload)) OVER (ORDER BY r.position)
    - octet_length(r.payload) AS bytes_before
  FROM jsonb_array_elements_text(CAST(:names AS jsonb)) AS org (id)
  CROSS JOIN LATERAL (
    SELECT * FROM {table}
    WHERE aggregatetype = :topic AND aggregateid = org.id
      AND delivered_at IS NULL AND refused IS NULL
    ORDER BY position LIMIT :share
  ) AS r
) AS found
WHERE bytes_before < :bytes
ORDER BY position

-- name: extend
UPDATE {table}_lease SET until = clock_timestamp() + make_interval(secs => :seconds)
WHERE holder = :holder AND until > clock_timestamp()

-- name: delete
DELETE FROM {table} WHERE position IN (
  SELECT CAST(p.position AS bigint)
  FROM jsonb_array_elements_text(CAST(:positions AS jsonb)) AS p (position)
)

-- name: mark
UPDATE {table} SET delivered_at = clock_timestamp() WHERE position IN (
  SELECT CAST(p.position AS bigint)
  FROM jsonb_array_elements_text(CAST(:positions AS jsonb)) AS p (position)
)

-- name: refuse
UPDATE {table} SET refused = :reason WHERE position = :position

-- name: release
UPDATE {table}_lease SET until = clock_timestamp()
WHERE holder = :holder AND until > clock_timestamp()

-- name: clean
DELETE FROM {table} WHERE position IN (
  SELECT position FROM {table}
  WHERE delivered_at < clock_timestamp() - make_interval(secs => :seconds)
  ORDER BY delivered_at LIMIT :rows
)

-- name: clean_leases
DELETE FROM {table}_lease WHERE until < clock_timestamp() - make_interval(days => 1)

-- name: other_topic
(
  SELECT aggregatetype FROM {table}
  WHERE aggregatetype < :topic AND delivered_at IS NULL AND refused IS NULL LIMIT 1
)
UNION ALL
(
  SELECT aggregatetype FROM {table}
  WHERE aggregatetype > :topic AND delivered_at IS NULL AND refused IS NULL LIMIT 1
)
