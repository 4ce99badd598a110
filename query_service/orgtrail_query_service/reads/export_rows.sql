WITH
    -- A cell that a spreadsheet would take for a formula begins with an apostrophe instead
    -- (OWASP, "CSV Injection").
    (x -> if(match(x, '^[=+\\-@\\t\\r\\n]'), concat('\'', x), x)) AS safe,
    -- Several targets or changes stand on lines within their cell, aligned across the cells; the
    -- first lines may be empty.
    (xs -> arrayStringConcat(arrayMap(x -> replaceRegexpAll(x, '[\\r\\n]+', ' '), xs), '\n')) AS lines,
    -- A spreadsheet's cell holds 32,767 UTF-16 units: a longer one spills over rows, or breaks the file.
    (x -> length(x) > 32700 AND lengthUTF8(x) + countMatches(x, '[\\x{10000}-\\x{10FFFF}]') > 32700) AS is_long,
    (x -> if(is_long(x), concat(substringUTF8(x, 1, 16000), '… (cut: ', toString(lengthUTF8(x)), ' characters; JSON Lines has all)'), x)) AS fit,
    (xs -> fit(if(match(lines(xs), '^\\n*[=+\\-@\\t]'), concat('\'', lines(xs)), lines(xs)))) AS cell,
    -- No spreadsheet takes a JSON object or list for a formula.
    ((json, cut) -> if(is_long(json), cut, json)) AS fit_json
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
    fit_json(toJSONString(metadata), '{"orgtrail.cut":"too long for a cell; JSON Lines has all"}') AS metadata,
    -- The cells of original and changed values cannot tell null from an empty text; this one can.
    fit_json(toJSONString(CAST(arrayZip(changes.field, changes.old, changes.new), 'Array(Tuple(field String, old Nullable(String), new Nullable(String)))')), '[{"field":"orgtrail.cut","old":null,"new":"too long for a cell; JSON Lines has all"}]') AS changes
FROM audit.events
