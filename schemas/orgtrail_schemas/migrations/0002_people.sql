CREATE TABLE IF NOT EXISTS audit.people ${ON_CLUSTER}
(
    org_id     String                  COMMENT 'The organization',
    type       LowCardinality(String)  COMMENT 'user, service_account, support, system, or what a target with an email is',
    id         String                  COMMENT 'As in the event',
    email      String                  COMMENT 'Personal',
    name       String                  COMMENT 'Personal. As last seen',
    last_seen  DateTime64(3, 'UTC')    COMMENT 'When they last acted or were acted upon, to the day'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(last_seen)
ORDER BY (org_id, email, id, type)
TTL toDateTime(last_seen) + INTERVAL 90 DAY
COMMENT 'Who acted or was acted upon, for completion and search. Read with FINAL.';
