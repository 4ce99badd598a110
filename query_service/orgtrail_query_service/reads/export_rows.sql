WITH
    -- A cell that a spreadsheet would take for a formula begins with an apostrophe instead
    -- (OWASP, "CSV Injection").
    (x -> if(match(x, '^[=+\\-@\\t\\r\\n]'), concat('\'', x), x)) AS safe,
    -- Several targets or changes stand on lines within their cell, aligned across the cells; the
    -- first lines may be empty.
    (xs -> arrayStringConcat(arrayMap(x -> replaceRegexpAll(x, '[\\r\\n]+', ' '), xs), '\n')) AS lines,
    (xs -> if(match(lines(xs), '^\\n*[=+\\-@\\t]'), concat('\'', lines(xs)), lines(xs))) AS cell
SELECT
    event_id,
    concat(formatDateTime(occurred_at, '%Y-%m-%dT%H:%i:%S', 'UTC'), '.', leftPad(toString(toUnixTimestamp64Milli(occurred_at) % 1000), 3, '0'), 'Z') AS occurred_at,
    safe(toString(event)) AS event,
    safe(event_name) AS event_name,
    safe(toString(level)) AS level,
    safe(toString(outcome)) AS outcome,
    safe(actor_email) AS actor_email,
    safe(actor_name) AS actor_name,
    safe(actor_id) AS actor_id,
    safe(toString(actor_type)) AS actor_type,
    safe(impersonator_email) AS impersonator_email,
    cell(targets.email) AS target_email,
    cell(targets.name) AS target_name,
    cell(targets.id) AS target_id,
    cell(arrayMap(x -> toString(x), targets.type)) AS target_type,
    cell(arrayMap(x -> toString(x), changes.field)) AS changed_field,
    cell(arrayMap(x -> ifNull(x, ''), changes.old)) AS original_value,
    cell(arrayMap(x -> ifNull(x, ''), changes.new)) AS changed_value,
    safe(ip) AS ip_address,
    safe(country) AS country,
    safe(user_agent) AS user_agent,
    safe(browser) AS browser,
    safe(os) AS os,
    safe(toString(service)) AS service,
    safe(request_id) AS request_id,
    safe(impersonator_name) AS impersonator_name,
    safe(impersonator_id) AS impersonator_id,
    safe(toString(impersonator_type)) AS impersonator_type,
    safe(session_id) AS session_id,
    safe(device) AS device,
    safe(trace_id) AS trace_id,
    -- No spreadsheet takes a JSON object for a formula.
    toJSONString(metadata) AS metadata
FROM audit.events
