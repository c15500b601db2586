-- Everything that is derived from events, from nothing.

-- name: clear
DELETE FROM sessions;
DELETE FROM open_sessions;
DELETE FROM users;
DELETE FROM property_events;
DELETE FROM filled_events;
UPDATE state SET folded_batch = 0;

-- name: shadow
CREATE TABLE shadow.space.sessions AS FROM sessions LIMIT 0;
CREATE TABLE shadow.space.open_sessions AS FROM open_sessions LIMIT 0;
CREATE TABLE shadow.space.users AS FROM users LIMIT 0;
CREATE TABLE shadow.space.property_events AS FROM property_events LIMIT 0;
CREATE TABLE shadow.space.filled_events AS FROM filled_events LIMIT 0;
CREATE TABLE shadow.space.state AS FROM state;

-- name: differences
-- What is stored and should not be (`stored`), and what should be stored and is not (`recomputed`).
WITH stored AS (
    SELECT 'session' AS kind, person_key, (closed, true)::VARCHAR AS row_text FROM sessions AS closed
    UNION ALL SELECT 'session', person_key, (opened, false)::VARCHAR FROM open_sessions AS opened
    UNION ALL SELECT 'user', person_key, users::VARCHAR FROM users
    UNION ALL SELECT 'property', user_key, said::VARCHAR FROM property_events AS said
),
recomputed AS (
    SELECT 'session' AS kind, person_key, (closed, true)::VARCHAR AS row_text FROM shadow.space.sessions AS closed
    UNION ALL SELECT 'session', person_key, (opened, false)::VARCHAR FROM shadow.space.open_sessions AS opened
    UNION ALL SELECT 'user', person_key, users::VARCHAR FROM shadow.space.users
    UNION ALL SELECT 'property', user_key, said::VARCHAR FROM shadow.space.property_events AS said
),
wrong AS (
    SELECT *, 'stored' AS side FROM (FROM stored EXCEPT ALL FROM recomputed)
    UNION ALL
    SELECT *, 'recomputed' FROM (FROM recomputed EXCEPT ALL FROM stored)
)
SELECT kind, side, id, row_text
FROM wrong LEFT JOIN user_ids ON user_ids.user_key = wrong.person_key
ORDER BY id, is_anonymous, kind, side DESC, row_text;
