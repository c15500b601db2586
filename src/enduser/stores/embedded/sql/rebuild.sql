-- Everything that is derived from events, from nothing.

-- name: contentless_to
SELECT contentless_to FROM state;

-- name: clear
-- What events said of analytics properties whose content has gone is known by nothing else, and stays.
DELETE FROM sessions;
DELETE FROM open_sessions;
DELETE FROM users;
DELETE FROM property_events WHERE (occurred_at <= (SELECT contentless_to FROM state)) IS NOT TRUE;
DELETE FROM filled_events;
DELETE FROM touched_persons;
DELETE FROM claims;
DELETE FROM persons;
DELETE FROM relinked;
INSERT INTO relinked SELECT one_key FROM links UNION SELECT other_key FROM links;
UPDATE state SET folded_batch = 0, last_fold = last_fold + 1, touched_since = last_fold + 1;

-- name: shadow
CREATE TABLE shadow.space.sessions AS FROM sessions LIMIT 0;
CREATE TABLE shadow.space.open_sessions AS FROM open_sessions LIMIT 0;
CREATE TABLE shadow.space.users AS FROM users LIMIT 0;
CREATE TABLE shadow.space.property_events AS
FROM property_events WHERE occurred_at <= (SELECT contentless_to FROM state);
CREATE TABLE shadow.space.filled_events AS FROM filled_events LIMIT 0;
CREATE TABLE shadow.space.touched_persons AS FROM touched_persons LIMIT 0;
CREATE TABLE shadow.space.claims AS FROM claims LIMIT 0;
CREATE TABLE shadow.space.persons AS FROM persons LIMIT 0;
CREATE TABLE shadow.space.relinked AS FROM relinked LIMIT 0;
CREATE TABLE shadow.space.state AS FROM state;

-- name: differences
-- What is stored and should not be (`stored`), and what should be stored and is not (`recomputed`). Rows
-- are compared as they are, and written as text only where they differ.
WITH stored_sessions AS (SELECT *, true AS is_closed FROM sessions UNION ALL SELECT *, false FROM open_sessions),
recomputed_sessions AS (
    SELECT *, true AS is_closed FROM shadow.space.sessions
    UNION ALL
    SELECT *, false FROM shadow.space.open_sessions
),
wrong AS (
    SELECT 'session' AS kind, 'stored' AS side, person_key, wrong::VARCHAR AS row_text
    FROM (FROM stored_sessions EXCEPT ALL FROM recomputed_sessions) AS wrong
    UNION ALL
    SELECT 'session', 'recomputed', person_key, wrong::VARCHAR
    FROM (FROM recomputed_sessions EXCEPT ALL FROM stored_sessions) AS wrong
    UNION ALL
    SELECT 'user', 'stored', person_key, wrong::VARCHAR
    FROM (FROM users EXCEPT ALL FROM shadow.space.users) AS wrong
    UNION ALL
    SELECT 'user', 'recomputed', person_key, wrong::VARCHAR
    FROM (FROM shadow.space.users EXCEPT ALL FROM users) AS wrong
    UNION ALL
    SELECT 'property', 'stored', user_key, wrong::VARCHAR
    FROM (FROM property_events EXCEPT ALL FROM shadow.space.property_events) AS wrong
    UNION ALL
    SELECT 'property', 'recomputed', user_key, wrong::VARCHAR
    FROM (FROM shadow.space.property_events EXCEPT ALL FROM property_events) AS wrong
    UNION ALL
    SELECT 'claim', 'stored', user_key, wrong::VARCHAR
    FROM (FROM claims EXCEPT ALL FROM shadow.space.claims) AS wrong
    UNION ALL
    SELECT 'claim', 'recomputed', user_key, wrong::VARCHAR
    FROM (FROM shadow.space.claims EXCEPT ALL FROM claims) AS wrong
    UNION ALL
    SELECT 'person', 'stored', user_key, wrong::VARCHAR
    FROM (FROM persons EXCEPT ALL FROM shadow.space.persons) AS wrong
    UNION ALL
    SELECT 'person', 'recomputed', user_key, wrong::VARCHAR
    FROM (FROM shadow.space.persons EXCEPT ALL FROM persons) AS wrong
)
SELECT kind, side, id, row_text
FROM wrong LEFT JOIN user_ids ON user_ids.user_key = wrong.person_key
ORDER BY id, is_anonymous, kind, side DESC, row_text;
