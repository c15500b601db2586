-- Hashing the user ids that a space has: each id keeps its key, so events, sessions and objects stay as they
-- are; what is found by an id (`base_key`, `id_check`) is that of the hash
-- (docs/decisions/0010-hashing-ids-later.md).

-- name: preview
-- How many user ids there are, how many of them have the form of a hash, and how many links would end: those
-- that nothing tells but the id before of an alias.
WITH aliased AS MATERIALIZED (
    SELECT DISTINCT user_key, previous_id AS id FROM events
    WHERE type = 'alias' AND previous_id IS NOT NULL AND previous_id IS DISTINCT FROM anonymous_id
),
also_beside AS (
    SELECT user_key, anonymous_id AS id FROM events
    WHERE anonymous_id IS NOT NULL AND user_key IN (SELECT user_key FROM aliased)
      AND ($link_on_identify OR (type = 'alias' AND coalesce(previous_id, anonymous_id) = anonymous_id))
),
told AS (
    SELECT aliased.user_key AS one_key, user_ids.user_key AS other_key
    FROM (FROM aliased ANTI JOIN also_beside USING (user_key, id)) AS aliased
    JOIN user_ids ON user_ids.is_anonymous AND user_ids.id = aliased.id
)
SELECT
    (SELECT count(*) FROM user_ids WHERE NOT is_anonymous),
    (SELECT count(*) FROM user_ids WHERE NOT is_anonymous AND regexp_full_match(id, $hash_form)),
    (SELECT count(*) FROM told
     JOIN persons AS one ON one.user_key = told.one_key
     JOIN persons AS other ON other.user_key = told.other_key AND other.person_key = one.person_key
     ANTI JOIN (FROM links WHERE NOT is_removed) AS api
         ON api.one_key = least(told.one_key, told.other_key)
        AND api.other_key = greatest(told.one_key, told.other_key));

-- name: hash_previous_ids
UPDATE events SET previous_id = hashed_id($salt, previous_id) WHERE previous_id <> '';

-- name: forget_claims
-- What events claim is found anew, as a rebuild would find it: an id before says less once it is hashed.
CREATE OR REPLACE TEMP TABLE released AS SELECT DISTINCT anonymous_key AS user_key FROM claims;
INSERT INTO relinked SELECT anonymous_key FROM claims UNION SELECT user_key FROM claims;
DELETE FROM claims;

-- name: hash_user_ids
-- Anonymous ids that nothing names but an id before (`unnamed`) may have been user ids, and go. All rows are written anew, so that no block of the table keeps a plain id.
CREATE OR REPLACE TEMP TABLE hashed_ids AS
WITH named AS (
    SELECT * REPLACE (CASE WHEN is_anonymous THEN id ELSE hashed_id($salt, id) END AS id)
    FROM user_ids ANTI JOIN unnamed USING (user_key)
),
keyed AS (
    SELECT *, id_hash($secret, is_anonymous, '', id) AS id_hash FROM named
)
SELECT user_key, user_key_of(id_hash) AS base_key, id_check_of(id_hash) AS id_check, is_anonymous, id
FROM keyed;
DELETE FROM user_ids;
INSERT INTO user_ids FROM hashed_ids;
DROP TABLE hashed_ids;
DROP TABLE unnamed;
DROP TABLE released;

-- name: part_persons
-- The ids of a person stand in another order now, and it may show another of them: a key that none of them has
-- lets all be decided and folded anew.
INSERT INTO relinked SELECT DISTINCT user_key FROM persons;
UPDATE persons SET person_key = ~person_key;
