-- Which ids are one person: from claims and links to `persons`, as `core.links` says, for the ids of which
-- something else is said. Users with the anonymous ids that claim them are stars, which SQL decides;
-- what links of the API join is decided by `core.links` itself.

-- name: relinked
SELECT EXISTS (FROM relinked);

-- name: nothing_remade
CREATE OR REPLACE TEMP TABLE remade (user_key BIGINT);

-- name: affected
CREATE OR REPLACE TEMP TABLE affected AS
SELECT user_key FROM relinked
UNION
SELECT user_key FROM persons WHERE person_key IN (
    SELECT person_key FROM persons WHERE user_key IN (SELECT user_key FROM relinked));

-- name: edges
-- What holds of the claims that touch an affected id: of each anonymous id the least that no earlier link
-- of the API made void and that was not removed. Of the anonymous ids that only claim a user, those
-- beyond the first $claims_max of him cannot be taken: each one before them was, or he was full.
CREATE OR REPLACE TEMP TABLE edges AS
WITH candidates AS MATERIALIZED (
    SELECT user_key AS anonymous_key FROM affected
    UNION
    SELECT anonymous_key FROM claims WHERE user_key IN (SELECT user_key FROM affected)
),
linked AS (
    SELECT user_key AS anonymous_key, min(said_at) AS linked_at
    FROM (SELECT *, unnest([one_key, other_key]) AS user_key FROM links WHERE NOT is_removed)
    GROUP BY user_key
),
valid AS MATERIALIZED (
    SELECT claims.*, linked_at IS NOT NULL AS is_linked
    FROM (SELECT * FROM claims WHERE anonymous_key IN (SELECT anonymous_key FROM candidates)) AS claims
    LEFT JOIN linked USING (anonymous_key)
    ANTI JOIN (FROM links WHERE is_removed) AS removed
        ON removed.one_key = least(anonymous_key, user_key)
       AND removed.other_key = greatest(anonymous_key, user_key)
    WHERE claimed_at <= coalesce(linked_at, claimed_at)
),
names AS (
    SELECT user_key, id FROM user_ids
    WHERE user_key IN (SELECT user_key FROM valid UNION ALL SELECT anonymous_key FROM valid)
),
held AS (
    SELECT valid.* FROM valid JOIN names USING (user_key)
    QUALIFY row_number() OVER (PARTITION BY anonymous_key ORDER BY claimed_at, message_id, id) = 1
)
SELECT anonymous_key, held.user_key, claimed_at, message_id
FROM held JOIN names ON names.user_key = held.anonymous_key
WHERE anonymous_key IN (SELECT user_key FROM affected) OR held.user_key IN (SELECT user_key FROM affected)
QUALIFY is_linked OR row_number() OVER (
    PARTITION BY held.user_key, is_linked ORDER BY claimed_at, message_id, id) <= $claims_max;

-- name: link_edges
CREATE OR REPLACE TEMP TABLE link_edges AS
SELECT one_key, other_key, said_at FROM links
WHERE NOT is_removed
  AND (one_key IN (SELECT user_key FROM affected) OR other_key IN (SELECT user_key FROM affected));

-- name: grow
-- The ids that edges lead to, with all of the person that each is of so far.
INSERT INTO affected
WITH reached AS (
    SELECT anonymous_key AS user_key FROM edges UNION SELECT user_key FROM edges
    UNION SELECT one_key FROM link_edges UNION SELECT other_key FROM link_edges
),
fresh AS MATERIALIZED (
    SELECT user_key FROM reached ANTI JOIN affected USING (user_key)
)
SELECT user_key FROM fresh
UNION
SELECT user_key FROM persons WHERE person_key IN (
    SELECT person_key FROM persons WHERE user_key IN (SELECT user_key FROM fresh))
RETURNING user_key;

-- name: tangled
-- The ids of what links of the API join. Every linked id is there; what hangs on them are users whom a
-- linked anonymous id claims, and then the anonymous ids of these.
CREATE OR REPLACE TEMP TABLE tangled AS
SELECT one_key AS user_key FROM link_edges UNION SELECT other_key FROM link_edges;
INSERT INTO tangled
SELECT DISTINCT user_key FROM edges
WHERE anonymous_key IN (SELECT user_key FROM tangled) AND user_key NOT IN (SELECT user_key FROM tangled);
INSERT INTO tangled
SELECT DISTINCT anonymous_key FROM edges
WHERE user_key IN (SELECT user_key FROM tangled) AND anonymous_key NOT IN (SELECT user_key FROM tangled);

-- name: tangled_ids
SELECT user_key, id, is_anonymous FROM user_ids WHERE user_key IN (SELECT user_key FROM tangled);

-- name: tangled_edges
SELECT anonymous_key, user_key, claimed_at, message_id FROM edges
WHERE user_key IN (SELECT user_key FROM tangled)
UNION ALL
SELECT one_key, other_key, said_at, '' FROM link_edges;

-- name: decided
-- The persons of affected ids that are joined to another.
CREATE OR REPLACE TEMP TABLE decided AS
WITH stars AS (
    SELECT anonymous_key, user_key FROM edges WHERE user_key NOT IN (SELECT user_key FROM tangled)
)
SELECT anonymous_key AS user_key, user_key AS person_key FROM stars
UNION ALL
SELECT DISTINCT user_key, user_key FROM stars
UNION ALL
SELECT unnest($keys::BIGINT[]), unnest($person_keys::BIGINT[]);

-- name: regrouped
-- All ids of the persons, as they were and as they become, whose ids are others now.
CREATE OR REPLACE TEMP TABLE regrouped AS
WITH was AS MATERIALIZED (
    SELECT user_key, person_key FROM persons WHERE user_key IN (SELECT user_key FROM affected)
),
moved AS MATERIALIZED (
    SELECT affected.user_key,
           coalesce(was.person_key, affected.user_key) AS was_key,
           coalesce(decided.person_key, affected.user_key) AS person_key
    FROM affected LEFT JOIN was USING (user_key) LEFT JOIN decided USING (user_key)
),
changed AS MATERIALIZED (
    SELECT DISTINCT unnest([was_key, person_key]) AS person_key FROM moved WHERE was_key <> person_key
)
FROM moved
WHERE was_key IN (SELECT person_key FROM changed) OR person_key IN (SELECT person_key FROM changed);

-- name: regroup
-- DISTINCT, for DuckDB 2.0.0 loses a large insert from sight that follows, in one transaction, an empty one of
-- rows in order; `fold.touch` may follow.
DELETE FROM relinked;
DELETE FROM persons WHERE user_key IN (SELECT user_key FROM regrouped);
INSERT INTO persons
SELECT user_key, person_key, row_number() OVER (PARTITION BY person_key ORDER BY id, is_anonymous)
FROM regrouped
JOIN (SELECT user_key, id, is_anonymous FROM user_ids
      WHERE user_key IN (SELECT user_key FROM regrouped)) USING (user_key)
QUALIFY count(*) OVER (PARTITION BY person_key) > 1;
INSERT INTO touched_persons SELECT DISTINCT user_key, last_fold + 1 FROM regrouped, state;

-- name: remade
-- The ids of persons that an id with folded events left or came to: the fold makes them anew from all their
-- events. An id that is new with the waiting events comes to its person as they do.
CREATE OR REPLACE TEMP TABLE remade AS
WITH moved AS (FROM regrouped WHERE was_key <> person_key),
changed AS MATERIALIZED (
    SELECT DISTINCT unnest([was_key, person_key]) AS person_key FROM moved
    WHERE user_key IN (
        SELECT user_key FROM events
        WHERE batch <= (SELECT folded_batch FROM state) AND user_key IN (SELECT user_key FROM moved))
)
SELECT user_key FROM regrouped
WHERE was_key IN (SELECT person_key FROM changed) OR person_key IN (SELECT person_key FROM changed);

-- name: clear_remade
DELETE FROM sessions WHERE person_key IN (SELECT user_key FROM remade);
DELETE FROM open_sessions WHERE person_key IN (SELECT user_key FROM remade);
DELETE FROM users WHERE person_key IN (SELECT user_key FROM remade);

-- name: is_regrouped
SELECT EXISTS (FROM regrouped);
