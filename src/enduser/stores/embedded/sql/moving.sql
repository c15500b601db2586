-- Who would enter and leave segments by a write that is only looked at.

-- name: compared
-- The persons of whom something else would hold, or would have held: as they would be, and as they are.
CREATE OR REPLACE TEMP TABLE users_after AS
SELECT * EXCLUDE (row_id, is_new) FROM rewritten
UNION ALL BY NAME
FROM users SEMI JOIN contested USING (person_key) ANTI JOIN rewritten USING (person_key);
CREATE OR REPLACE TEMP TABLE users_before AS FROM users SEMI JOIN users_after USING (person_key);

-- name: sources
SELECT list(source ORDER BY position) FROM known_sources;

-- name: moved
SELECT count(*) FILTER (after AND NOT before) AS entering, count(*) FILTER (before AND NOT after) AS leaving
FROM (SELECT person_key, coalesce({after}, false) AS after FROM users_after AS users WHERE total_sessions > 0)
JOIN (SELECT person_key, coalesce({before}, false) AS before FROM users_before AS users) USING (person_key)
