-- End User Objects and sessions as people see them.

-- name: users
SELECT
    user_ids.id AS user_id,
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
    users.name, users.role, users.type, users.status, users.info
FROM users
JOIN user_ids ON user_ids.user_key = users.person_key
LEFT JOIN places USING (place_id)
LEFT JOIN browsers USING (browser_id)
WHERE users.total_sessions > 0

-- name: all_users
SELECT user_id AS own_id, is_anonymous AS own_is_anonymous, objects.* FROM (users) AS objects

-- name: changed_users
-- The ids of persons whose object changed, with the object; without where there is none (any more).
WITH changed AS (SELECT DISTINCT person_key FROM touched_persons WHERE fold > $since)
SELECT own.id AS own_id, own.is_anonymous AS own_is_anonymous, objects.*
FROM changed
JOIN user_ids AS own ON own.user_key = changed.person_key
LEFT JOIN (SELECT * FROM (users)) AS objects
    ON objects.user_id = own.id AND objects.is_anonymous = own.is_anonymous

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

-- name: status
SELECT
    (SELECT clock_at FROM state),
    (SELECT live_since FROM state),
    (SELECT count(*) FROM events),
    (SELECT count(*) FROM users WHERE total_sessions > 0),
    (SELECT count(*) FROM sessions),
    (SELECT count(*) FROM open_sessions)
