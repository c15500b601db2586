-- People who were erased and are to stay out (docs/erasure.md): `suppressed` has keyed hashes of their ids, as
-- `user_ids` has them, and no id. What names them is taken as `core.suppressing` says.

-- name: is_any
SELECT EXISTS (FROM suppressed);

-- name: suppress
-- All ids of the person in `erased`, and the one that was given, of whom perhaps nothing is known. Beside a plain
-- user id the hash that would stand for it, were ids hashed with the salt as it is now.
INSERT INTO suppressed
WITH named AS (
    SELECT id, is_anonymous FROM user_ids WHERE user_key IN (FROM erased)
    UNION
    SELECT $id, $is_anonymous
),
keyed AS (
    SELECT is_anonymous, id_hash($secret, is_anonymous, '', id) AS own,
           id_hash($secret, false, '', hashed_id($salt, id)) AS hashed
    FROM named
)
SELECT $erasure, user_key_of(own), id_check_of(own), NULL, NULL FROM keyed
UNION ALL
SELECT $erasure, user_key_of(hashed), id_check_of(hashed), user_key_of(own), id_check_of(id_hash($secret, false, $salt, ''))
FROM keyed WHERE NOT is_anonymous AND NOT $hash_ids;

-- name: suppress_again
INSERT INTO suppressed
SELECT $erasure, unnest($base_keys::BIGINT[]), unnest($id_checks::UBIGINT[]), NULL, NULL;

-- name: forget_mentions
-- Events may name an anonymous id that has no key, as nothing claims it. Where it has one, erasing does this.
UPDATE events SET anonymous_id = NULL WHERE anonymous_id = $id;
UPDATE events SET previous_id = '' WHERE previous_id = CASE WHEN $hash_ids THEN hashed_id($salt, $id) ELSE $id END;

-- name: keep_out
-- Rows of suppressed ids are excluded, and what they say is not kept in any table.
UPDATE judged SET
    excluded = CASE WHEN is_good OR is_counted THEN 'suppressed' ELSE excluded END,
    is_good = false, is_counted = false,
    id = NULL, other_id = NULL, previous_id = NULL, message_id = NULL, name = NULL, page_url = NULL,
    properties = NULL, traits = NULL, ip = NULL
FROM suppressed
WHERE judged.user_key = suppressed.base_key AND judged.id_check = suppressed.id_check;

-- name: leave_out_mentions
-- Rows of others do not name them. An id before may be meant as of either kind, and be hashed already.
UPDATE judged SET other_id = NULL WHERE other_id IS NOT NULL AND rowid IN (
    SELECT row_id
    FROM (SELECT rowid AS row_id, id_hash($secret, true, '', other_id) AS id_hash
          FROM judged WHERE other_id IS NOT NULL)
    SEMI JOIN suppressed ON base_key = user_key_of(id_hash) AND id_check = id_check_of(id_hash));
UPDATE judged SET previous_id = '' WHERE previous_id IS NOT NULL AND rowid IN (
    SELECT row_id
    FROM (SELECT rowid AS row_id, unnest([
              id_hash($secret, true, '', previous_id), id_hash($secret, false, '', previous_id),
              CASE WHEN $hash_ids THEN id_hash($secret, false, '', hashed_id($salt, previous_id)) END]) AS id_hash
          FROM judged WHERE previous_id IS NOT NULL)
    SEMI JOIN suppressed ON base_key = user_key_of(id_hash) AND id_check = id_check_of(id_hash));

-- name: forget_read_rows
-- What was read has their ids still.
DROP TABLE IF EXISTS temp.read_rows;

-- name: reject
UPDATE read_rows SET problem = coalesce(problem, 'suppressed'), id = NULL
FROM suppressed
WHERE read_rows.base_key = suppressed.base_key AND read_rows.id_check = suppressed.id_check;

-- name: first_named
-- Which of the ids in `batch_ids` is suppressed, if one is.
SELECT id FROM batch_ids SEMI JOIN suppressed USING (base_key, id_check) ORDER BY id LIMIT 1;

-- name: is_suppressed
-- By the check alone, whose 64 bits are enough: what only reads makes no keys.
SELECT EXISTS (FROM suppressed WHERE id_check = id_check_of(id_hash($secret, $is_anonymous, '', $id)));

-- name: lift
DELETE FROM suppressed WHERE erasure IN (
    SELECT erasure FROM suppressed
    WHERE base_key = user_key_of(id_hash($secret, $is_anonymous, '', $id))
      AND id_check = id_check_of(id_hash($secret, $is_anonymous, '', $id)))
RETURNING erasure;

-- name: lost
-- Plain ids of which no hash has this salt.
SELECT count(DISTINCT plain_key) FROM suppressed
WHERE plain_key NOT IN (
    SELECT plain_key FROM suppressed
    WHERE plain_key IS NOT NULL AND salt_check = id_check_of(id_hash($secret, false, $salt, '')));
