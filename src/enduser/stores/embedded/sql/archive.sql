-- All that is held on one person (docs/users.md#all-that-is-held-on-one-person): queries of files, and what is told
-- beside them. `archived` has the person's ids, `said` what was ever said of them.

-- name: archived
CREATE OR REPLACE TEMP TABLE archived AS
SELECT user_key, id, is_anonymous,
       CASE WHEN is_anonymous THEN 'anonymous' WHEN $hash_ids THEN 'hashed' ELSE 'plain' END AS id_kind
FROM user_ids
WHERE user_key IN (SELECT $person_key UNION ALL SELECT user_key FROM persons WHERE person_key = $person_key);
CREATE OR REPLACE TEMP TABLE said AS FROM candidates SEMI JOIN archived USING (user_key);
SELECT id, is_anonymous FROM archived ORDER BY is_anonymous, id;

-- name: events
SELECT
    safe_cell(archived.id) AS user_id,
    id_kind,
    time_cell(occurred_at) AS occurred_at,
    time_cell(client_at) AS sent_at,
    time_cell(received_at) AS received_at,
    safe_cell(type) AS type,
    safe_cell(events.name) AS name,
    safe_cell(message_id) AS message_id,
    safe_cell(page_url) AS page_url,
    properties,
    traits,
    safe_cell(ip) AS ip,
    safe_cell(anonymous_id) AS anonymous_id,
    safe_cell(previous_id) AS previous_id,
    safe_cell(country) AS country,
    safe_cell(region) AS region,
    safe_cell(city) AS city,
    safe_cell(browsers.name) AS browser_name,
    safe_cell(browsers.version) AS browser_version,
    is_visit,
    is_page_view,
    is_act
FROM events
JOIN archived USING (user_key)
LEFT JOIN places USING (place_id)
LEFT JOIN browsers USING (browser_id)
ORDER BY events.occurred_at, events.received_at, message_key

-- name: sessions
SELECT
    safe_cell(archived.id) AS user_id,
    id_kind,
    time_cell(started_at) AS started_at,
    time_cell(ended_at) AS ended_at,
    (ended_at - started_at) / 1e6 AS duration_s,
    events,
    page_views,
    acts,
    is_closed,
    coalesce(started_at >= life_started_at, false) AS is_in_current_life,
    continues,
    is_cut_off,
    time_cell(visits.place_at) AS place_at,
    safe_cell(country) AS country,
    safe_cell(region) AS region,
    safe_cell(city) AS city,
    time_cell(visits.browser_at) AS browser_at,
    safe_cell(browsers.name) AS browser_name,
    safe_cell(browsers.version) AS browser_version
FROM (SELECT *, true AS is_closed FROM sessions UNION ALL SELECT *, false FROM open_sessions) AS visits
JOIN archived ON archived.user_key = visits.person_key
LEFT JOIN users USING (person_key)
LEFT JOIN places ON places.place_id = visits.place_id
LEFT JOIN browsers ON browsers.browser_id = visits.browser_id
ORDER BY visits.started_at

-- name: values
-- A row for each attribute of which a row of a run says something.
SELECT
    safe_cell(archived.id) AS user_id,
    id_kind,
    attributes.name AS attribute,
    value,
    is_cleared,
    not_taken,
    safe_cell(sources.name) AS source,
    run,
    safe_cell(input) AS input,
    row,
    time_cell(effective_at) AS effective_at,
    time_cell(told.written_at) AS written_at
FROM (
    SELECT user_key, source, run, row, effective_at, written_at, NULL AS number, NULL AS value, false AS is_cleared,
           NULL AS not_taken
    FROM said WHERE false<<
    UNION ALL
    SELECT user_key, source, run, row, effective_at, written_at, {n},
           CASE WHEN '{kind}' = 'string' THEN safe_cell({shown}::VARCHAR) ELSE {shown}::VARCHAR END,
           is_cleared(cleared, {n}), nullif(regexp_extract(flaws, '(^| ){n}:(\w+)', 2), '')
    FROM said WHERE a{n} IS NOT NULL OR is_cleared(cleared, {n}) OR regexp_matches(flaws, '(^| ){n}:')>>
) AS told
JOIN archived USING (user_key)
JOIN enduser.main.attributes AS attributes USING (number)
JOIN sources USING (source)
LEFT JOIN runs USING (run)
ORDER BY effective_at, run, row, attribute

-- name: properties
SELECT
    safe_cell(archived.id) AS user_id,
    id_kind,
    property,
    safe_cell(value) AS value,
    value IS NULL AS is_cleared,
    time_cell(occurred_at) AS occurred_at,
    safe_cell(message_id) AS message_id,
    is_visit
FROM property_events JOIN archived USING (user_key)
ORDER BY property_events.occurred_at, property_events.message_id, property

-- name: gather_links
-- What events of the person and calls of the API say of his ids, whether it holds or not, by the rules of
-- `linking.edges`. Who else is named in it is not told.
CREATE OR REPLACE TEMP TABLE said_links AS
WITH linked AS (
    SELECT user_key AS anonymous_key, min(said_at) AS linked_at
    FROM (SELECT *, unnest([one_key, other_key]) AS user_key FROM links WHERE NOT is_removed)
    GROUP BY user_key
),
claimed AS (
    SELECT claims.*, removed.one_key IS NULL AND claimed_at <= coalesce(linked_at, claimed_at) AS counts
    FROM claims
    LEFT JOIN linked USING (anonymous_key)
    LEFT JOIN (FROM links WHERE is_removed) AS removed
        ON removed.one_key = least(anonymous_key, user_key) AND removed.other_key = greatest(anonymous_key, user_key)
    WHERE anonymous_key IN (SELECT user_key FROM archived) OR user_key IN (SELECT user_key FROM archived)
),
pairs AS (
    SELECT anonymous_key AS one_key, user_key AS other_key, 'event' AS said_by, message_id, claimed_at AS said_at,
           false AS is_removed,
           counts AND row_number() OVER (
               PARTITION BY anonymous_key, counts ORDER BY claimed_at, message_id, id) = 1 AS holds
    FROM claimed JOIN user_ids USING (user_key)
    UNION ALL
    SELECT one_key, other_key, 'api', NULL, said_at, is_removed, NOT is_removed FROM links
)
SELECT pairs.* EXCLUDE (one_key, other_key, holds), one, other,
       holds AND one.user_key IS NOT NULL AND other.user_key IS NOT NULL AS holds
FROM pairs
LEFT JOIN archived AS one ON one.user_key = one_key
LEFT JOIN archived AS other ON other.user_key = other_key
WHERE other.user_key IS NOT NULL OR (one.user_key IS NOT NULL AND said_by = 'api');

-- name: links
SELECT
    safe_cell(one.id) AS one,
    one.id_kind AS one_kind,
    safe_cell(other.id) AS other,
    other.id_kind AS other_kind,
    said_by,
    safe_cell(message_id) AS message_id,
    time_cell(said_at) AS said_at,
    is_removed,
    holds
FROM said_links
ORDER BY said_links.said_at, said_links.message_id, said_links.one.id, said_links.other.id

-- name: held_links
SELECT one.id, one.is_anonymous, other.id, other.is_anonymous, said_by, said_at
FROM said_links WHERE holds ORDER BY said_at, message_id, one.id, other.id

-- name: lists
SELECT
    lists.id AS list_id,
    safe_cell(lists.name) AS list_name,
    safe_cell(archived.id) AS user_id,
    id_kind,
    time_cell(added_at) AS added_at
FROM list_members JOIN archived USING (user_key) JOIN lists USING (list)
ORDER BY list_id, is_anonymous, archived.id

-- name: feed
SELECT
    number,
    time_cell(noticed_at) AS noticed_at,
    time_cell(written_at) AS written_at,
    safe_cell(archived.id) AS user_id,
    id_kind,
    kind,
    subject,
    before,
    after
FROM feed JOIN archived ON archived.user_key = feed.person_key
ORDER BY number

-- name: latest
-- The last that each source said of an attribute.
SELECT archived.id, is_anonymous, sources.name AS source, run, row, effective_at, written_at, {shown} AS value
FROM said JOIN archived USING (user_key) JOIN sources USING (source)
WHERE a{n} IS NOT NULL OR is_cleared(cleared, {n})
QUALIFY row_number() OVER (
    PARTITION BY said.source ORDER BY effective_at DESC, run DESC, row DESC, archived.id DESC, is_anonymous DESC) = 1

-- name: inputs
SELECT run, input FROM runs WHERE run IN (SELECT run FROM said);

-- name: life
-- The current life of the person, and when last something came of him.
SELECT life_started_at, last_visit_at, begins_after, users.place_at, users.browser_at,
       greatest(
           (SELECT max(occurred_at) FROM events SEMI JOIN archived USING (user_key)),
           (SELECT max(written_at) FROM said),
           (SELECT max(added_at) FROM list_members SEMI JOIN archived USING (user_key))
       ) AS last_heard_at
FROM (SELECT count(*) FROM archived) LEFT JOIN (FROM users WHERE person_key = $person_key) AS users ON true

-- name: lists_of_person
SELECT DISTINCT id, name FROM lists SEMI JOIN (FROM list_members SEMI JOIN archived USING (user_key)) USING (list)
ORDER BY id

-- name: told
SELECT id, is_anonymous, segments, attributes
FROM told JOIN archived ON archived.user_key = told.person_key
ORDER BY is_anonymous, id

-- name: segment
-- Whether a segment holds for the person of whom `asked_…` have all.
SELECT count(*) AS held FROM {users} AS users WHERE total_sessions > 0 AND {condition}
