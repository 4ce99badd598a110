-- Readers find an email address in any case; rows keep it as it was recorded. Indexes therefore hold it in
-- lower case. Their expressions must equal those of the filters, and that of the pairs the view
-- audit.event_keys. Until the last statement is done in the background, filters by person read more rows.
ALTER TABLE audit.events_store ${ON_CLUSTER}
    DROP INDEX IF EXISTS actor_email_idx,
    DROP INDEX IF EXISTS impersonator_email_idx,
    DROP INDEX IF EXISTS targets_email_idx,
    DROP INDEX IF EXISTS pairs_idx;
ALTER TABLE audit.events_store ${ON_CLUSTER}
    ADD INDEX IF NOT EXISTS actor_email_idx lowerUTF8(actor_email) TYPE bloom_filter(0.0002) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS impersonator_email_idx lowerUTF8(impersonator_email) TYPE bloom_filter(0.0002) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS targets_email_idx arrayMap(email -> lowerUTF8(email), targets.email)
        TYPE bloom_filter(0.0002) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS pairs_idx
        arrayFlatten(arrayConcat(
            arrayMap(
                who -> [cityHash64(who, event), cityHash64(who, country), cityHash64(who, outcome)],
                arrayConcat(
                    [actor_id, lowerUTF8(actor_email), impersonator_id, lowerUTF8(impersonator_email), ip],
                    targets.id, arrayMap(email -> lowerUTF8(email), targets.email))),
            arrayMap(
                target -> [cityHash64(actor_id, target), cityHash64(lowerUTF8(actor_email), target)],
                arrayConcat(targets.id, arrayMap(email -> lowerUTF8(email), targets.email)))))
        TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE audit.events_store ${ON_CLUSTER}
    MATERIALIZE INDEX actor_email_idx,
    MATERIALIZE INDEX impersonator_email_idx,
    MATERIALIZE INDEX targets_email_idx,
    MATERIALIZE INDEX pairs_idx;
