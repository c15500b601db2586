-- From a chunk of a file to typed rows: the view `rows`. A line that begins with chr(2) was found bad
-- before; the reason follows.

-- name: spooled
-- Lines that collectors wrote (`ingest.door`): checked at the door, their times fixed there. One that
-- cannot be read at all is a row without `got`.
CREATE OR REPLACE TEMP TABLE read_rows AS
SELECT
    NULL::BIGINT AS line_number,
    id AS user_id, anon AS anonymous_id, prev AS previous_id, msg AS message_id,
    "at" AS occurred_at, client AS client_at, got AS received_at,
    coalesce(hashed, false) AS is_hashed, coalesce(server, false) AS is_server,
    NULL::VARCHAR AS client_text, NULL::VARCHAR AS time_text,
    type, name, CASE WHEN NOT active THEN 'false' END AS active_text,
    ip, agent AS user_agent, country, region, city, url AS page_url,
    nullif(props::VARCHAR, '{}') AS properties,
    CASE WHEN ctraits IS NOT NULL AND traits IS NOT NULL
         THEN both_traits(nullif(traits::VARCHAR, '{}'), nullif(ctraits::VARCHAR, '{}'))
         ELSE nullif(coalesce(traits, ctraits)::VARCHAR, '{}') END AS traits,
    CASE WHEN got IS NULL THEN 'malformed_line' ELSE problem END AS problem,
    NULL::VARCHAR AS left_out
FROM read_json(
    $path, format = 'newline_delimited', ignore_errors = true,
    columns = {
        id: 'VARCHAR', anon: 'VARCHAR', prev: 'VARCHAR', hashed: 'BOOLEAN', msg: 'VARCHAR',
        client: 'BIGINT', "at": 'BIGINT', got: 'BIGINT', type: 'VARCHAR', name: 'VARCHAR',
        active: 'BOOLEAN', server: 'BOOLEAN', ip: 'VARCHAR', agent: 'VARCHAR', url: 'VARCHAR',
        props: 'JSON', traits: 'JSON', ctraits: 'JSON',
        country: 'VARCHAR', region: 'VARCHAR', city: 'VARCHAR', problem: 'VARCHAR'});

-- name: json_lines
-- Segment messages and the flat form, told apart by nothing: each field has one name in either.
CREATE OR REPLACE TEMP TABLE read_rows AS
WITH messages AS (
    SELECT line,
        CASE WHEN starts_with(ltrim(line), '{') THEN TRY(json_transform(line, $structure)) END AS m
    FROM read_csv($path, header = false, columns = {'line': 'VARCHAR'}, delim = chr(1), quote = '',
                  escape = '', auto_detect = false, max_line_size = 2097152, buffer_size = 4194304,
                  strict_mode = false)
),
told AS (SELECT line, m, object_of(m.traits) AS traits, object_of(m.context.traits) AS context_traits FROM messages)
SELECT
    CASE WHEN $is_numbered THEN try_cast(m.line_number AS BIGINT) END AS line_number,
    first_text(json_id(m."userId", line, '$.userId'), json_id(m.user_id, line, '$.user_id')) AS user_id,
    first_text(json_id(m."anonymousId", line, '$.anonymousId'), json_id(m.anonymous_id, line, '$.anonymous_id'))
        AS anonymous_id,
    first_text(m."messageId", m.message_id) AS message_id,
    NULL::BIGINT AS occurred_at, NULL::BIGINT AS client_at, NULL::BIGINT AS received_at,
    false AS is_hashed, false AS is_server,
    nullif(trim(m."originalTimestamp"), '') AS client_text,
    coalesce(first_text(trim(m.timestamp), trim(m.occurred_at)), client_text) AS time_text,
    lower(coalesce(nullif(m.type, ''), 'track')) AS type,
    first_text(m.event, m.name) AS name,
    lower(first_text(m.context.active, m.active)) AS active_text,
    first_text(m.context.ip, m.ip) AS ip,
    first_text(m.context."userAgent", m.user_agent) AS user_agent,
    first_text(m.context.location.country, m.country) AS country,
    first_text(m.context.location.region, m.region) AS region,
    first_text(m.context.location.city, m.city) AS city,
    coalesce(
        first_text(m.context.page.url, m.context.page.path),
        first_text(m.url, CASE WHEN lower(m.type) = 'page' THEN m.properties ->> '$.url' END)) AS page_url,
    object_of(m.properties) AS properties,
    both_traits(traits, context_traits) AS traits,
    json_id(m."previousId", line, '$.previousId') AS previous_id,
    CASE
        WHEN starts_with(line, chr(2)) THEN substr(line, 2)
        WHEN m IS NULL THEN CASE WHEN is_blank(line) THEN 'blank' ELSE 'malformed_line' END
        WHEN $is_numbered AND m.problem IS NOT NULL THEN m.problem
        WHEN is_no_object(m.properties) THEN 'invalid_properties'
        WHEN is_no_object(m.traits) OR is_no_object(m.context.traits) THEN 'invalid_traits'
    END AS problem,
    NULL::VARCHAR AS left_out
FROM told;

-- name: access_log
-- Combined and common log lines, also behind the name of a virtual host ("www.example.com:443 "). Who is
-- not named is the keyed hash of address and browser. Two
-- expressions of three groups each run in one pass of RE2 and take half the time of one of six.
CREATE OR REPLACE TEMP TABLE read_rows AS
WITH lines AS (
    SELECT CASE WHEN regexp_matches(line, '^[A-Za-z0-9_.-]+:\d+ ')
                THEN substr(line, strpos(line, ' ') + 1) ELSE line END AS line
    FROM read_csv($path, header = false, columns = {'line': 'VARCHAR'}, delim = chr(1), quote = '',
                  escape = '', auto_detect = false, max_line_size = 2097152, buffer_size = 4194304,
                  strict_mode = false)
),
parsed AS (
    SELECT line,
        regexp_extract(line, '^(\S+) \S+ ([^\[]+)\[([^\]]+)\] "', ['ip', 'user_id', 'time_text']) AS head,
        regexp_extract(
            line,
            '^\S+ \S+ [^\[]+\[[^\]]+\] "((?:[^"\\]|\\.)*)" (\d{3}) (?:\d+|-)'
            || '(?: "(?:[^"\\]|\\.)*" "((?:[^"\\]|\\.)*)".*)?$',
            ['request', 'status', 'user_agent']) AS tail
    FROM lines
),
requests AS (
    SELECT line, head.ip, rtrim(head.user_id) AS named, head.time_text, tail.request, tail.status,
        nullif(replace(nullif(tail.user_agent, '-'), '\"', '"'), '') AS user_agent,
        regexp_extract(tail.request, '^([A-Z]+) (\S+)(?: HTTP/[\d.]+)?$', ['method', 'target']) AS asked
    FROM parsed
),
pages AS (
    SELECT *, asked.method IN ('GET', 'POST') AND status < '400'
        AND NOT regexp_matches(split_part(asked.target, '?', 1), $assets, 'i') AS is_page
    FROM requests
)
SELECT
    NULL::BIGINT AS line_number,
    nullif(nullif(named, '-'), '""') AS user_id,
    left(sha256(concat($secret, ip, chr(31), user_agent)), 32) AS anonymous_id,
    NULL::VARCHAR AS message_id,
    epoch_us(try_strptime(time_text, '%d/%b/%Y:%H:%M:%S %z')) AS occurred_at,
    NULL::BIGINT AS client_at, NULL::BIGINT AS received_at, false AS is_hashed, false AS is_server,
    time_text,
    NULL::VARCHAR AS client_text,
    CASE WHEN is_page THEN 'page' ELSE 'track' END AS type,
    CASE WHEN is_page THEN NULL ELSE 'request' END AS name,
    NULL::VARCHAR AS active_text,
    ip,
    user_agent,
    NULL::VARCHAR AS country, NULL::VARCHAR AS region, NULL::VARCHAR AS city,
    coalesce(nullif(asked.target, ''), request) AS page_url,
    json_object('method', asked.method, 'status', try_cast(status AS INTEGER))::VARCHAR AS properties,
    NULL::VARCHAR AS traits,
    NULL::VARCHAR AS previous_id,
    CASE
        WHEN starts_with(line, chr(2)) THEN substr(line, 2)
        WHEN coalesce(status, '') = '' THEN CASE WHEN is_blank(line) THEN 'blank' ELSE 'malformed_line' END
        WHEN starts_with(named, '- ') THEN 'malformed_line'
    END AS problem,
    CASE WHEN NOT is_page AND NOT $all_requests THEN 'not_a_page' END AS left_out
FROM pages;

-- name: numbered
-- Rows with the line of the file that each stands on: its own, or counted from the chunk's first.
CREATE OR REPLACE TEMP VIEW rows AS
SELECT * EXCLUDE (line_number),
    coalesce(line_number, first_line + read_rows.rowid - (SELECT min(rowid) FROM read_rows)) AS line
FROM read_rows, (SELECT getvariable('first_line')::BIGINT AS first_line);

-- name: time_sample
-- The middle one of the first numeric times, as a number and as it is written.
WITH numeric AS (
    SELECT time_text, abs(try_cast(time_text AS DOUBLE)) AS number FROM rows
    WHERE occurred_at IS NULL AND is_number(time_text) LIMIT 10000
)
SELECT middle, any_value(time_text)
FROM numeric JOIN (SELECT quantile_disc(number, 0.5) AS middle FROM numeric) ON number = middle
GROUP BY middle;
