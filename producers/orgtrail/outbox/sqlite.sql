-- The outbox in SQLite. {table} is the outbox; times are seconds since 1970.
-- Debezium's outbox event router expects the columns id, aggregatetype, aggregateid, type, payload.

-- name: create_table
CREATE TABLE IF NOT EXISTS {table} (
  position integer PRIMARY KEY AUTOINCREMENT,
  id text NOT NULL,
  aggregatetype text NOT NULL,
  aggregateid text NOT NULL,
  type text NOT NULL,
  payload blob NOT NULL,
  ce_source text NOT NULL,
  ce_time text NOT NULL,
  traceparent text,
  created_at integer NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS integer)),
  delivered_at integer,
  refused text
)

-- name: create_waiting
CREATE INDEX IF NOT EXISTS {table}_waiting ON {table} (aggregatetype, aggregateid, position)
WHERE delivered_at IS NULL AND refused IS NULL

-- name: create_delivered
CREATE INDEX IF NOT EXISTS {table}_delivered ON {table} (delivered_at)
WHERE delivered_at IS NOT NULL

-- name: create_lease
CREATE TABLE IF NOT EXISTS {table}_lease (
  aggregateid text PRIMARY KEY,
  holder text NOT NULL,
  until real NOT NULL
) WITHOUT ROWID

-- name: insert
INSERT INTO {table}
  (id, aggregatetype, aggregateid, type, payload, ce_source, ce_time, traceparent)
VALUES (:id, :aggregatetype, :aggregateid, :type, :payload, :ce_source, :ce_time, :traceparent)

-- name: begin
BEGIN IMMEDIATE

-- name: waiting
-- The next organizations that have waiting rows and are not leased. The query jumps from one
-- organization to the next in the index, so its cost does not grow with the number of rows.
WITH RECURSIVE org (aggregateid) AS (
  SELECT min(aggregateid) FROM {table}
  WHERE aggregatetype = :topic AND aggregateid > :after
    AND delivered_at IS NULL AND refused IS NULL
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
  WHERE lease.aggregateid = org.aggregateid
    AND lease.until > (julianday('now') - 2440587.5) * 86400
)
LIMIT :orgs

-- name: add_leases
INSERT INTO {table}_lease (aggregateid, holder, until)
SELECT value, '', 0 FROM json_each(:names) WHERE true
ON CONFLICT (aggregateid) DO NOTHING

-- name: lease
UPDATE {table}_lease
SET holder = :holder, until = (julianday('now') - 2440587.5) * 86400 + :seconds
WHERE aggregateid IN (SELECT value FROM json_each(:names))
  AND until <= (julianday('now') - 2440587.5) * 86400
RETURNING aggregateid

-- name: rows
-- The first rows of each leased organization, at most :share rows each and about :bytes in total,
-- but at least one row. Rows beyond the byte limit have higher positions than all returned rows.
SELECT position, id, aggregateid, type, payload, ce_source, ce_time, traceparent
FROM (
  SELECT r.*, sum(length(r.payload)) OVER (ORDER BY r.position) - length(r.payload) AS bytes_before
  FROM json_each(:names) AS org
  CROSS JOIN {table} AS r ON r.position IN (
    SELECT w.position FROM {table} AS w
    WHERE w.aggregatetype = :topic AND w.aggregateid = org.value
      AND w.delivered_at IS NULL AND w.refused IS NULL
    ORDER BY w.position LIMIT :share
  )
)
WHERE bytes_before < :bytes
ORDER BY position

-- name: extend
UPDATE {table}_lease SET until = (julianday('now') - 2440587.5) * 86400 + :seconds
WHERE holder = :holder AND until > (julianday('now') - 2440587.5) * 86400

-- name: delete
DELETE FROM {table} WHERE position IN (SELECT value FROM json_each(:positions))

-- name: mark
UPDATE {table} SET delivered_at = CAST(strftime('%s', 'now') AS integer)
WHERE position IN (SELECT value FROM json_each(:positions))

-- name: refuse
UPDATE {table} SET refused = :reason WHERE position = :position

-- name: release
UPDATE {table}_lease SET until = (julianday('now') - 2440587.5) * 86400
WHERE holder = :holder AND until > (julianday('now') - 2440587.5) * 86400

-- name: clean
DELETE FROM {table} WHERE position IN (
  SELECT position FROM {table}
  WHERE delivered_at < CAST(strftime('%s', 'now') AS integer) - :seconds
  ORDER BY delivered_at LIMIT :rows
)

-- name: clean_leases
DELETE FROM {table}_lease WHERE until < (julianday('now') - 2440587.5) * 86400 - 86400

-- name: other_topic
SELECT aggregatetype FROM {table}
WHERE aggregatetype < :topic AND delivered_at IS NULL AND refused IS NULL
UNION ALL
SELECT aggregatetype FROM {table}
WHERE aggregatetype > :topic AND delivered_at IS NULL AND refused IS NULL
LIMIT 1
