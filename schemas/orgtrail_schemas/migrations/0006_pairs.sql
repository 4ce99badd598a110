-- Where an ordinary person is in a quarter of the granules and an ordinary event in most, the indexes of
-- the two say nothing about both in one row. This one does: who (actor, impersonator, target, address)
-- with what (event, country, outcome). The view audit.event_keys has the same expression.
-- Parts that are there already get it when they are merged.
ALTER TABLE audit.events_store ${ON_CLUSTER}
    ADD INDEX IF NOT EXISTS pairs_idx
        arrayFlatten(arrayMap(
            who -> [cityHash64(who, event), cityHash64(who, country), cityHash64(who, outcome)],
            arrayConcat(
                [actor_id, actor_email, impersonator_id, impersonator_email, ip],
                targets.id, targets.email)))
        TYPE bloom_filter(0.01) GRANULARITY 1;
