-- Erasing a person from the tables of a space (docs/erasure.md). `erased` and `beside` hold keys, no ids.

-- name: person_keys
SELECT $person_key UNION SELECT user_key FROM persons WHERE person_key = $person_key;

-- name: same_person
SELECT $user_key
UNION
SELECT user_key FROM persons WHERE person_key IN (SELECT person_key FROM persons WHERE user_key = $user_key);

-- name: ids_of
SELECT id, is_anonymous FROM user_ids WHERE user_key IN (SELECT unnest($keys::BIGINT[])) ORDER BY is_anonymous, id;

-- name: counted
-- How much there is of the ids of a person.
WITH erased AS MATERIALIZED (SELECT unnest($keys::BIGINT[]) AS user_key)
SELECT
    len($keys::BIGINT[]),
    (SELECT count(*) FROM events WHERE user_key IN (FROM erased)),
    (SELECT count(*) FROM sessions WHERE person_key IN (FROM erased))
        + (SELECT count(*) FROM open_sessions WHERE person_key IN (FROM erased)),
    (SELECT coalesce(sum(0<< + (a{n} IS NOT NULL)::INTEGER>>), 0)::BIGINT
     FROM candidates WHERE user_key IN (FROM erased));

-- name: erased
-- The ids of the person.
CREATE OR REPLACE TEMP TABLE erased AS SELECT unnest($keys::BIGINT[]) AS user_key;

-- name: beside
-- Ids that claims and links name beside those of the person.
CREATE OR REPLACE TEMP TABLE beside AS
WITH pairs AS (
    SELECT anonymous_key AS one_key, user_key AS other_key FROM claims
    UNION ALL
    SELECT one_key, other_key FROM links
),
named AS (
    SELECT one_key AS user_key FROM pairs WHERE other_key IN (FROM erased)
    UNION
    SELECT other_key FROM pairs WHERE one_key IN (FROM erased)
)
FROM named ANTI JOIN erased USING (user_key);

-- name: tell
-- All these ids may have another object soon.
INSERT INTO touched_persons SELECT user_key, last_fold + 1 FROM (FROM erased UNION ALL FROM beside), state;

-- name: ids
SELECT id, is_anonymous FROM user_ids WHERE user_key IN (FROM erased UNION ALL FROM beside) ORDER BY user_key;

-- name: forget_mentions
-- Events of others name an anonymous id of the person too, as `core.erasing` says.
UPDATE events SET anonymous_id = NULL
WHERE anonymous_id IN (SELECT id FROM user_ids WHERE is_anonymous AND user_key IN (FROM erased))
  AND user_key NOT IN (FROM erased);
UPDATE events SET previous_id = ''
WHERE previous_id IN (
    SELECT CASE WHEN $hash_ids THEN hashed_id($salt, id) ELSE id END
    FROM user_ids WHERE is_anonymous AND user_key IN (FROM erased))
  AND user_key NOT IN (FROM erased);
DELETE FROM claims WHERE anonymous_key IN (FROM erased);
DELETE FROM links WHERE one_key IN (FROM erased) OR other_key IN (FROM erased);

-- name: erase_events
DELETE FROM events WHERE user_key IN (FROM erased);

-- name: erase_sessions
DELETE FROM sessions WHERE person_key IN (FROM erased);

-- name: erase_open_sessions
DELETE FROM open_sessions WHERE person_key IN (FROM erased);

-- name: erase_rest
DELETE FROM property_events WHERE user_key IN (FROM erased);
DELETE FROM users WHERE person_key IN (FROM erased);
DELETE FROM candidates WHERE user_key IN (FROM erased);
DELETE FROM claims WHERE user_key IN (FROM erased);
DELETE FROM persons WHERE user_key IN (FROM erased);
DELETE FROM list_members WHERE user_key IN (FROM erased);
DELETE FROM touched_persons WHERE person_key IN (FROM erased);
DELETE FROM told WHERE person_key IN (FROM erased);
DELETE FROM feed WHERE person_key IN (FROM erased);

-- name: release
CREATE OR REPLACE TEMP TABLE released AS FROM erased UNION FROM beside;
INSERT INTO relinked FROM released;

-- name: forget_touched
DELETE FROM touched_persons WHERE person_key IN (FROM unnamed);

-- name: temporary
-- Temporary tables: many have ids and addresses of what was read last. `file_rows` has hashes, which the import of
-- a file needs to its end.
SELECT table_name FROM duckdb_tables() WHERE temporary AND table_name <> 'file_rows';
