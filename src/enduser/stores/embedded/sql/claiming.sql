-- Ids and what is said of them: ids get their keys, claims of events and links of the API are kept
-- (docs/decisions/0008-links.md).

-- name: given_ids
-- Ids that the API names.
CREATE OR REPLACE TEMP TABLE batch_ids AS
SELECT user_key_of(id_hash) AS base_key, id_check_of(id_hash) AS id_check, is_anonymous, id
FROM (SELECT *, id_hash($secret, is_anonymous, '', id) AS id_hash
      FROM (SELECT unnest($ids::VARCHAR[]) AS id, unnest($kinds::BOOLEAN[]) AS is_anonymous));

-- name: new_ids
CREATE OR REPLACE TEMP TABLE known_ids AS
SELECT user_key, base_key, id_check FROM user_ids SEMI JOIN batch_ids USING (base_key);
CREATE OR REPLACE TEMP TABLE new_ids AS
SELECT * FROM batch_ids ANTI JOIN known_ids USING (base_key, id_check);
SELECT EXISTS (FROM new_ids);

-- name: clashing_ids
-- New ids whose key another id has: the key of the next salt is theirs.
SELECT id, is_anonymous, base_key, id_check FROM new_ids
WHERE base_key IN (SELECT user_key FROM user_ids SEMI JOIN new_ids ON user_key = new_ids.base_key)
   OR base_key IN (SELECT base_key FROM new_ids GROUP BY base_key HAVING count(*) > 1)
ORDER BY is_anonymous, id;

-- name: store_new_ids
INSERT INTO user_ids
SELECT base_key, base_key, id_check, is_anonymous, id FROM new_ids;

-- name: store_salted_id
-- One id under the key of a salt, unless another id has that key.
INSERT INTO user_ids
SELECT user_key_of(id_hash($secret, $is_anonymous, $salt, $id)) AS user_key, $base_key, $id_check, $is_anonymous, $id
WHERE user_key NOT IN (SELECT user_key FROM user_ids)
  AND user_key NOT IN (SELECT base_key FROM new_ids WHERE id_check <> $id_check)
RETURNING user_key;

-- name: forget_new_id
INSERT INTO known_ids VALUES ($user_key, $base_key, $id_check);
DELETE FROM new_ids WHERE base_key = $base_key AND id_check = $id_check;

-- name: given_keys
-- The keys of the ids that the API names, in the order of their ids.
SELECT user_key FROM user_ids JOIN batch_ids USING (base_key, id_check)
ORDER BY batch_ids.is_anonymous, batch_ids.id;

-- name: said
-- What the events from a batch on claim: an anonymous id is the user whose they are. Of several events of
-- one meaning the least (time, message id) counts. An id before that was erased is empty. {events} is the table of
-- those that are looked at.
CREATE OR REPLACE TEMP TABLE said_by_events AS
WITH speaking AS (
    SELECT user_key, type, anonymous_id, occurred_at, message_id, message_key,
        CASE WHEN NOT $hash_ids OR previous_id IS NULL THEN coalesce(previous_id, anonymous_id)
             WHEN hashed_id($salt, anonymous_id) = previous_id THEN anonymous_id END AS aliased_id
    FROM {events}
    WHERE batch >= $batch AND (type = 'alias' OR ($link_on_identify AND anonymous_id IS NOT NULL))
),
claims AS (
    SELECT user_key, occurred_at, message_text(message_id, message_key) AS message_id,
           anonymous_id IS NOT NULL AS is_user, unnest(CASE
        WHEN type <> 'alias' THEN [anonymous_id]
        WHEN NOT $link_on_identify THEN [aliased_id]
        ELSE [anonymous_id, aliased_id] END) AS id
    FROM speaking
)
SELECT user_key, id, bool_or(is_user) AS is_user,
       min({'at': occurred_at, 'message_id': message_id}) AS least
FROM claims WHERE id <> ''
GROUP BY user_key, id;
SELECT EXISTS (FROM said_by_events);

-- name: claimed
-- The same with the hashes of the anonymous ids, of user ids only. (An event with an anonymous id beside
-- its own is a user id's.)
CREATE OR REPLACE TEMP TABLE claimed AS
WITH owners AS (
    SELECT user_key FROM user_ids
    WHERE NOT is_anonymous AND user_key IN (SELECT user_key FROM said_by_events WHERE NOT is_user)
),
hashed AS (
    SELECT *, id_hash($secret, true, '', id) AS id_hash
    FROM said_by_events WHERE is_user OR user_key IN (SELECT user_key FROM owners)
)
SELECT user_key_of(id_hash) AS base_key, id_check_of(id_hash) AS id_check, id, user_key,
       least.at AS claimed_at, least.message_id AS message_id
FROM hashed;

-- name: claimed_ids
CREATE OR REPLACE TEMP TABLE batch_ids AS
SELECT DISTINCT base_key, id_check, true AS is_anonymous, id FROM claimed;

-- name: better_claims
-- Claims that are new or earlier than what is kept of their pair.
CREATE OR REPLACE TEMP TABLE better_claims AS
WITH keyed AS (
    SELECT user_ids.user_key AS anonymous_key, claimed.user_key, claimed_at, message_id
    FROM claimed JOIN user_ids USING (base_key, id_check)
),
known AS (
    SELECT rowid AS row_id, * FROM claims WHERE anonymous_key IN (SELECT anonymous_key FROM keyed)
)
SELECT keyed.*, known.row_id
FROM keyed LEFT JOIN known USING (anonymous_key, user_key)
WHERE known.row_id IS NULL OR (keyed.claimed_at, keyed.message_id) < (known.claimed_at, known.message_id);

-- name: store_claims
DELETE FROM claims WHERE rowid IN (SELECT row_id FROM better_claims);
INSERT INTO claims SELECT anonymous_key, user_key, claimed_at, message_id FROM better_claims;
INSERT INTO relinked
SELECT anonymous_key FROM better_claims UNION SELECT user_key FROM better_claims;

-- name: said_of_pair
SELECT is_removed FROM links WHERE one_key = $one_key AND other_key = $other_key;

-- name: say_of_pair
DELETE FROM links WHERE one_key = $one_key AND other_key = $other_key;
INSERT INTO links VALUES ($one_key, $other_key, $said_at, $is_removed);
INSERT INTO relinked VALUES ($one_key), ($other_key);

-- name: unnamed
-- Of the ids in `released` those that nothing names any more.
CREATE OR REPLACE TEMP TABLE unnamed AS
FROM released
WHERE user_key NOT IN (SELECT anonymous_key FROM claims UNION ALL SELECT user_key FROM claims)
  AND user_key NOT IN (SELECT one_key FROM links UNION ALL SELECT other_key FROM links)
  AND user_key NOT IN (SELECT user_key FROM list_members WHERE user_key IN (SELECT user_key FROM released))
  AND user_key NOT IN (SELECT user_key FROM candidates WHERE user_key IN (SELECT user_key FROM released))
  AND user_key NOT IN (SELECT user_key FROM events WHERE user_key IN (SELECT user_key FROM released));

-- name: forget_unnamed
DELETE FROM user_ids WHERE user_key IN (SELECT user_key FROM unnamed);

-- name: are_one
SELECT count(DISTINCT person_key) = 1 AND count(*) = 2 FROM persons
WHERE user_key = $one_key OR user_key = $other_key;
