-- An event that a person was seen in. Whoever occurs only in copies that lost to the first one is not shown:
-- a reader looks into that event. Rows of before have no event, and are shown until they end.
ALTER TABLE audit.people ${ON_CLUSTER}
    ADD COLUMN IF NOT EXISTS occurred_at DateTime64(3, 'UTC') COMMENT 'An event that they were seen in: its time',
    ADD COLUMN IF NOT EXISTS event_id UUID COMMENT 'Its ID; zero for rows without an event';
