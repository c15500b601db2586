-- What rules need to know of a space.

-- name: moment
SELECT clock_at, (SELECT list(source ORDER BY position) FROM sources) FROM state;

-- name: all_users
SELECT (SELECT count(*) FROM users WHERE total_sessions > 0), clock_at FROM state;

-- name: facet
-- How users are parted by an attribute: the most frequent values, how many have any, and how many none. What stands in a
-- table of its own is looked up once for all who have it.
WITH grouped AS (
    SELECT {key} AS key, count(*) AS users FROM {users} WHERE total_sessions > 0 AND {condition} GROUP BY ALL
),
parted AS (SELECT {value} AS value, sum(users)::BIGINT AS users FROM {grouped} GROUP BY ALL)
(SELECT value, users, 'value' AS kind FROM parted WHERE value IS NOT NULL ORDER BY users DESC, value LIMIT $values)
UNION ALL
SELECT NULL, coalesce(sum(users) FILTER (value IS NOT NULL), 0)::BIGINT, 'known' FROM parted
UNION ALL
SELECT NULL, coalesce(sum(users) FILTER (value IS NULL), 0)::BIGINT, 'unknown' FROM parted

-- name: gather_person
-- What there is of one person, in tables of the same form as those of all.
CREATE OR REPLACE TEMP TABLE asked_ids AS
SELECT $person_key AS user_key UNION SELECT user_key FROM persons WHERE person_key = $person_key;
CREATE OR REPLACE TEMP TABLE asked_users AS FROM users WHERE person_key = $person_key;
CREATE OR REPLACE TEMP TABLE asked_sessions AS FROM sessions WHERE person_key = $person_key;
CREATE OR REPLACE TEMP TABLE asked_open_sessions AS FROM open_sessions WHERE person_key = $person_key;
CREATE OR REPLACE TEMP TABLE asked_events AS FROM events WHERE user_key IN (FROM asked_ids);
CREATE OR REPLACE TEMP TABLE asked_candidates AS FROM candidates WHERE user_key IN (FROM asked_ids);

-- name: lists_of_person
SELECT DISTINCT lists.id FROM list_members JOIN lists USING (list)
WHERE user_key = $person_key OR user_key IN (SELECT user_key FROM persons WHERE person_key = $person_key);
