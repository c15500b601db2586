-- End User Objects and sessions as people see them. What stands between << and >> is repeated for each custom
-- attribute: {n} is the number of its column, {shown} its value as JSON has it. {users} is the table of the sums
-- behind the objects, {beside} what comes before all else in a row.

-- name: users
SELECT
    {beside}user_ids.id AS user_id,
    user_ids.is_anonymous,
    users.first_seen,
    users.last_seen,
    users.total_sessions,
    users.duration_us / users.total_sessions / 1e6 AS average_session_duration,
    users.duration_us / 1e6 AS total_session_duration,
    CASE WHEN users.total_sessions > 1
         THEN (users.last_seen - users.first_seen - users.duration_us) / (users.total_sessions - 1) / 1e6
    END AS average_time_between_sessions,
    places.country, places.region, places.city,
    browsers.name AS browser_name, browsers.version AS browser_version,
    users.name, users.role, users.type, users.status, users.info<<, {shown} AS a{n}>>
FROM {users}
JOIN user_ids ON user_ids.user_key = users.person_key
LEFT JOIN places USING (place_id)
LEFT JOIN browsers USING (browser_id)
WHERE users.total_sessions > 0

-- name: key_of_id
SELECT user_key FROM user_ids WHERE id = $id AND is_anonymous = $is_anonymous;

-- name: all_users
-- All objects, with each id of each person.
SELECT own.id AS own_id, own.is_anonymous AS own_is_anonymous, objects.* EXCLUDE (person_key)
FROM ({objects}) AS objects
LEFT JOIN persons USING (person_key)
JOIN user_ids AS own ON own.user_key = coalesce(persons.user_key, objects.person_key)

-- name: changed_users
-- The ids of persons whose object changed, with the object; without where there is none (any more). What
-- changed may be an id that is another's person now.
WITH changed AS (
    SELECT DISTINCT coalesce(persons.person_key, touched_persons.person_key) AS person_key
    FROM touched_persons LEFT JOIN persons ON persons.user_key = touched_persons.person_key
    WHERE fold > $since
),
owned AS (
    SELECT coalesce(user_key, person_key) AS user_key, person_key
    FROM changed LEFT JOIN persons USING (person_key)
)
SELECT own.id AS own_id, own.is_anonymous AS own_is_anonymous, objects.* EXCLUDE (person_key)
FROM owned
JOIN user_ids AS own USING (user_key)
LEFT JOIN ({objects}) AS objects ON objects.person_key = owned.person_key

-- name: links
-- What holds: the least claim of each anonymous id and the links of the API, where they were taken. The
-- rules are those of `linking.edges`. Of two ids ($one_key, $other_key), or with NULL of all.
WITH linked AS (
    SELECT user_key AS anonymous_key, min(said_at) AS linked_at
    FROM (SELECT *, unnest([one_key, other_key]) AS user_key FROM links WHERE NOT is_removed)
    GROUP BY user_key
),
held AS (
    SELECT claims.user_key AS one_key, anonymous_key AS other_key, claimed_at AS since, 'event' AS said_by
    FROM claims
    JOIN user_ids USING (user_key)
    LEFT JOIN linked USING (anonymous_key)
    ANTI JOIN (FROM links WHERE is_removed) AS removed
        ON removed.one_key = least(anonymous_key, user_key)
       AND removed.other_key = greatest(anonymous_key, user_key)
    WHERE claimed_at <= coalesce(linked_at, claimed_at)
      AND ($one_key::BIGINT IS NULL OR anonymous_key IN ($one_key::BIGINT, $other_key::BIGINT))
    QUALIFY row_number() OVER (PARTITION BY anonymous_key ORDER BY claimed_at, message_id, id) = 1
    UNION ALL
    SELECT one_key, other_key, said_at, 'api' FROM links WHERE NOT is_removed
),
named AS (
    SELECT since, said_by, list_sort([
        {'is_anonymous': one.is_anonymous, 'id': one.id},
        {'is_anonymous': other.is_anonymous, 'id': other.id}]) AS pair
    FROM held
    JOIN persons AS one_person ON one_person.user_key = one_key
    JOIN persons AS other_person
        ON other_person.user_key = other_key AND other_person.person_key = one_person.person_key
    JOIN user_ids AS one ON one.user_key = one_key
    JOIN user_ids AS other ON other.user_key = other_key
    WHERE $one_key::BIGINT IS NULL
       OR (least(one_key, other_key) = least($one_key::BIGINT, $other_key::BIGINT)
           AND greatest(one_key, other_key) = greatest($one_key::BIGINT, $other_key::BIGINT))
)
SELECT pair[1].id AS one, pair[1].is_anonymous AS one_is_anonymous,
       pair[2].id AS other, pair[2].is_anonymous AS other_is_anonymous,
       since, said_by AS "by"
FROM named;

-- name: person
-- The person whose id this is.
SELECT coalesce(persons.person_key, own.user_key) AS person_key
FROM (FROM user_ids WHERE id = $id AND is_anonymous = $is_anonymous) AS own
LEFT JOIN persons USING (user_key);

-- name: past_sessions
-- The sessions of a person that had begun by a time.
SELECT started_at, ended_at, is_cut_off, country, region, city, browsers.name, browsers.version
FROM (FROM sessions UNION ALL FROM open_sessions) AS visits
LEFT JOIN places USING (place_id)
LEFT JOIN browsers USING (browser_id)
WHERE person_key = $person_key AND started_at <= $until
ORDER BY started_at
LIMIT $rows;

-- name: past_properties
-- What events of a person said of the analytics properties by a time.
SELECT property, value, occurred_at, message_id, is_visit, id, is_anonymous
FROM property_events JOIN user_ids USING (user_key)
WHERE user_key IN (SELECT $person_key UNION ALL SELECT user_key FROM persons WHERE person_key = $person_key)
  AND occurred_at <= $until
LIMIT $rows;

-- name: shown_id
SELECT id, is_anonymous FROM user_ids WHERE user_key = $person_key;

-- name: provisional_users
-- The sums of `users` as if open sessions were closed: what those add, for the few persons who have some.
WITH opened AS (
    SELECT
        person_key,
        count(*) AS sessions,
        min(started_at) AS first_seen,
        max(ended_at) AS last_seen,
        sum(ended_at - started_at)::BIGINT AS duration_us,
        max(open_sessions.place_at) AS place_at,
        arg_max(open_sessions.place_id, open_sessions.place_at) AS place_id,
        max(open_sessions.browser_at) AS browser_at,
        arg_max(open_sessions.browser_id, open_sessions.browser_at) AS browser_id
    FROM open_sessions JOIN users USING (person_key)
    WHERE open_sessions.started_at >= users.life_started_at
    GROUP BY person_key
),
heard AS (
    SELECT said.*, id
    FROM (SELECT coalesce(persons.person_key, property_events.user_key) AS person_key, property_events.*
          FROM property_events LEFT JOIN persons USING (user_key)) AS said
    SEMI JOIN opened USING (person_key)
    JOIN user_ids USING (user_key)
),
latest AS (
    SELECT person_key, property, value
    FROM heard
    JOIN users USING (person_key)
    WHERE CASE WHEN is_visit
        THEN occurred_at >= life_started_at
        ELSE occurred_at > coalesce(begins_after, -9223372036854775808)
             AND occurred_at <= life_end(last_visit_at, $months)
    END
    QUALIFY row_number() OVER (
        PARTITION BY person_key, property ORDER BY occurred_at DESC, message_id DESC, id DESC) = 1
),
said AS (
    SELECT
        person_key,
        any_value(value) FILTER (property = 'name') AS name,
        any_value(value) FILTER (property = 'role') AS role,
        any_value(value) FILTER (property = 'type') AS type,
        any_value(value) FILTER (property = 'status') AS status,
        any_value(value) FILTER (property = 'info') AS info
    FROM latest
    GROUP BY person_key
)
SELECT
    person_key,
    users.is_anonymous,
    users.total_sessions + opened.sessions AS total_sessions,
    least(users.first_seen, opened.first_seen) AS first_seen,
    greatest(users.last_seen, opened.last_seen) AS last_seen,
    users.duration_us + opened.duration_us AS duration_us,
    CASE WHEN coalesce(opened.place_at > users.place_at, users.place_at IS NULL)
         THEN opened.place_id ELSE users.place_id END AS place_id,
    CASE WHEN coalesce(opened.browser_at > users.browser_at, users.browser_at IS NULL)
         THEN opened.browser_id ELSE users.browser_id END AS browser_id,
    said.name, said.role, said.type, said.status, said.info<<, users.a{n}>>
FROM users JOIN opened USING (person_key) LEFT JOIN said USING (person_key)
UNION ALL
SELECT person_key, is_anonymous, total_sessions, first_seen, last_seen, duration_us, place_id, browser_id,
       name, role, type, status, info<<, users.a{n}>>
FROM users ANTI JOIN opened USING (person_key)

-- name: sessions
SELECT
    user_ids.id AS user_id,
    user_ids.is_anonymous,
    visits.started_at,
    visits.ended_at,
    (visits.ended_at - visits.started_at) / 1e6 AS duration_s,
    visits.events,
    visits.page_views,
    visits.acts + greatest(visits.page_views - 1, 0) AS interactions,
    visits.acts = 0 AND visits.page_views <= 1 AS is_empty,
    visits.is_closed,
    places.country, places.region, places.city,
    browsers.name AS browser_name, browsers.version AS browser_version
FROM (SELECT *, true AS is_closed FROM sessions UNION ALL SELECT *, false FROM open_sessions) AS visits
JOIN user_ids ON user_ids.user_key = visits.person_key
LEFT JOIN places USING (place_id)
LEFT JOIN browsers USING (browser_id)

-- name: idle_users
SELECT count(*) FROM users WHERE last_visit_at <= $last;

-- name: status
SELECT
    (SELECT clock_at FROM state),
    (SELECT live_since FROM state),
    (SELECT count(*) FROM events),
    (SELECT count(*) FROM users WHERE total_sessions > 0),
    (SELECT count(*) FROM sessions),
    (SELECT count(*) FROM open_sessions)
