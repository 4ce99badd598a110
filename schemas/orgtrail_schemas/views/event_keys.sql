-- The first of the two steps of a filtered read. It does not use FINAL, so that skip indexes help.
-- It may return a later copy of an event, so its rows are only candidates.
CREATE OR REPLACE VIEW audit.event_keys ${ON_CLUSTER}
DEFINER = ${DEFINER} SQL SECURITY DEFINER
AS SELECT
    ${CANDIDATES},
    -- Must equal the expression of pairs_idx (migration 0008) exactly, or the index is not used.
    arrayFlatten(arrayConcat(
        arrayMap(
            who -> [cityHash64(who, event), cityHash64(who, country), cityHash64(who, outcome)],
            arrayConcat(
                [actor_id, lowerUTF8(actor_email), impersonator_id, lowerUTF8(impersonator_email), ip],
                targets.id, arrayMap(email -> lowerUTF8(email), targets.email))),
        arrayMap(
            target -> [cityHash64(actor_id, target), cityHash64(lowerUTF8(actor_email), target)],
            arrayConcat(targets.id, arrayMap(email -> lowerUTF8(email), targets.email))))) AS pairs
FROM audit.events_store
WHERE occurred_at >= now64(3, 'UTC') - INTERVAL ${RETENTION_DAYS} DAY
