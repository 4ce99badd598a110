-- Stored events made by ClickHouse itself: 2,000 organizations with a skew (the largest has 8 %), the
-- catalogue's types, up to 400 people an organization, 90 days. The same numbers give the same rows.
INSERT INTO audit.events_store
(
    event_id, occurred_at, org_id, event, level, outcome,
    actor_type, actor_id, actor_email, actor_name,
    impersonator_type, impersonator_id, impersonator_email, impersonator_name,
    targets.type, targets.id, targets.email, targets.name, changes.field, changes.old, changes.new,
    ip, country, user_agent, browser, os, device, service, request_id, session_id, trace_id, metadata,
    received_at, ingested_at, kafka_topic, kafka_partition, kafka_offset, schema_fingerprint
)
WITH
    (salt -> cityHash64(number, salt) / 18446744073709551616.) AS chance,
    toUInt32(floor(2000 * pow(chance('org'), 3))) AS org,
    greatest(3, intDiv(4000, org + 10)) AS people,
    toUInt32(floor(people * pow(chance('actor'), 2))) AS actor,
    toUInt32(floor(people * pow(chance('target'), 2))) AS target,
    number % {rare:UInt64} = 7 AS is_rare,
    1 + toUInt32(floor(length({events:Array(String)}) * chance('event'))) AS kind,
    {events:Array(String)}[kind] AS key,
    {levels:Array(String)}[kind] AS its_level,
    startsWith(key, 'user.log') AS is_login,
    fromUnixTimestamp64Milli(
        toInt64({newest:UInt64} - floor({days:UInt32} * 86400000. * chance('time'))), 'UTC') AS at,
    ['Windows', 'macOS', 'Linux', 'Android', 'iOS'][1 + number % 5] AS system,
    toUInt32(120 + number % 25) AS chrome
SELECT
    dateTimeToUUIDv7(toDateTime(at, 'UTC')), at, concat('org-', toString(org)), key, its_level,
    if(chance('outcome') < 0.03, 'failure', 'success'),
    'user', if(is_rare, 'u-rare', concat('u-', toString(org), '-', toString(actor))),
    if(is_rare, 'rare@example.org', concat('person', toString(actor), '@org', toString(org), '.example')),
    concat('Person ', toString(actor), ' Example'),
    if(chance('support') < 0.01, 'support', '') AS support,
    if(support = '', '', 's-1'), if(support = '', '', 'sam@support.example'), '',
    if(is_login, [], ['user']),
    if(is_login, [], [concat('u-', toString(org), '-', toString(target))]),
    if(is_login, [], [concat('person', toString(target), '@org', toString(org), '.example')]),
    if(is_login, [], [concat('Person ', toString(target), ' Example')]),
    if(is_login, [], ['role']), if(is_login, [], ['member']), if(is_login, [], ['admin']),
    concat('198.51.', toString(org % 256), '.', toString(actor % 256)),
    ['US', 'DE', 'FR', 'JP', 'BR', 'IN'][1 + actor % 6],
    concat('Mozilla/5.0 (', system, ') AppleWebKit/537.36 (KHTML, like Gecko) Chrome/',
        toString(chrome), '.0.0.0 Safari/537.36'),
    'Chrome', system, 'desktop', 'accounts', lower(hex(cityHash64(number, 'request'))),
    lower(hex(cityHash64(org, actor, intDiv(toUnixTimestamp(at), 3600)))), '',
    map('region', 'eu-west-1'),
    at + toIntervalMillisecond(toUInt32(400 * chance('late'))), at + toIntervalMillisecond(900),
    'audit.events.v1', number % 12, intDiv(number, 12), '0000000000000000'
FROM numbers({first:UInt64}, {count:UInt64})
