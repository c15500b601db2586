-- What rules of decisions ask for of persons, besides their attributes.

-- name: changed
-- The persons of whom something is another since a fold, also those whose id is another's now, with all their ids.
CREATE OR REPLACE TEMP TABLE asked_ids AS
WITH changed AS (
    SELECT DISTINCT coalesce(persons.person_key, touched_persons.person_key) AS person_key
    FROM touched_persons LEFT JOIN persons ON persons.user_key = touched_persons.person_key
    WHERE fold > $since
)
SELECT coalesce(user_key, person_key) AS user_key, person_key
FROM changed LEFT JOIN persons USING (person_key);

-- name: some
-- The persons whose keys lie in a range, with all their ids.
CREATE OR REPLACE TEMP TABLE asked_ids AS
SELECT user_ids.user_key, coalesce(persons.person_key, user_ids.user_key) AS person_key
FROM user_ids LEFT JOIN persons USING (user_key)
WHERE coalesce(persons.person_key, user_ids.user_key) BETWEEN $first AND $last;

-- name: gather
-- What there is of those persons, in tables of the same form as those of all, as far as conditions on what happened
-- look at it: of a row that is somewhere in a large table each column costs as much as all others.
CREATE OR REPLACE TEMP TABLE asked_users AS
SELECT {columns} FROM users WHERE person_key IN (SELECT person_key FROM asked_ids);
CREATE OR REPLACE TEMP TABLE asked_open_sessions AS
FROM open_sessions WHERE person_key IN (SELECT person_key FROM asked_ids);

-- name: gather_sessions
CREATE OR REPLACE TEMP TABLE asked_sessions AS
FROM sessions WHERE started_at >= $since AND person_key IN (SELECT person_key FROM asked_ids);

-- name: gather_events
-- Events since a time, and of some names also those before.
CREATE OR REPLACE TEMP TABLE asked_events AS
SELECT user_key, occurred_at, is_visit, type, name, page_url, properties FROM events
WHERE occurred_at >= $since AND user_key IN (SELECT user_key FROM asked_ids);
INSERT INTO asked_events
SELECT user_key, occurred_at, is_visit, type, name, page_url, properties FROM events
WHERE len($names::VARCHAR[]) > 0 AND name IN (SELECT unnest($names::VARCHAR[]))
  AND occurred_at < $since AND user_key IN (SELECT user_key FROM asked_ids);

-- name: gather_candidates
-- Of a change one must know what was before.
CREATE OR REPLACE TEMP TABLE asked_candidates AS
SELECT user_key, source, run, row, effective_at, cleared<<, a{n}>>
FROM candidates WHERE user_key IN (SELECT user_key FROM asked_ids);

-- name: gather_list_members
CREATE OR REPLACE TEMP TABLE asked_list_members AS
FROM list_members WHERE user_key IN (SELECT user_key FROM asked_ids);

-- name: facts
-- When what rules count happened to those persons, newest first, under each of their ids, of those who have an
-- object; in a list one can be without.
SELECT own.id, own.is_anonymous, found.number, found.times
FROM (
    SELECT number, person_key, list(happened_at ORDER BY happened_at DESC)[:{times}] AS times
    FROM ({happened})
    WHERE number IN ({listed}) OR person_key IN (SELECT person_key FROM asked_users WHERE total_sessions > 0)
    GROUP BY number, person_key
) AS found
JOIN asked_ids USING (person_key)
JOIN user_ids AS own ON own.user_key = asked_ids.user_key
