-- Receipts: of whom it is kept that they were erased, and when no file had a byte of what is forgotten any more.

-- name: hashes
-- The keyed hashes of the ids in `erased`.
SELECT list(printf('%016x%016x', base_key, id_check) ORDER BY id, is_anonymous) FROM user_ids
WHERE user_key IN (FROM erased);

-- name: hash
SELECT printf('%016x%016x', user_key_of(id_hash), id_check_of(id_hash))
FROM (SELECT id_hash($secret, $is_anonymous, '', $id) AS id_hash);

-- name: is_known
SELECT EXISTS (FROM main.erasures WHERE space = $space AND id_hash = $id_hash AND erased_at = $erased_at);

-- name: is_taken
SELECT EXISTS (FROM main.erasures WHERE number = $number);

-- name: last_number
SELECT coalesce(max(number), 0) FROM main.erasures;

-- name: note
INSERT INTO main.erasures
VALUES ($number, $space, $erased_at, $id_hash, $id_hashes, $ids, $events, $sessions, $values, $is_suppressed, NULL);

-- name: after
SELECT number, space, erased_at, id_hash, id_hashes, ids, events, sessions, "values", is_suppressed, gone_at, guid
FROM main.erasures JOIN main.spaces USING (space) WHERE number > $number ORDER BY number;

-- name: page
SELECT number, space, erased_at, id_hash, id_hashes, ids, events, sessions, "values", is_suppressed, gone_at, guid
FROM main.erasures JOIN main.spaces USING (space) WHERE space = $space AND ($before::BIGINT IS NULL OR number < $before)
ORDER BY number DESC LIMIT $limit;

-- name: due
-- Erasures of which files may have bytes still.
SELECT number, erased_at FROM main.erasures WHERE gone_at IS NULL ORDER BY number;

-- name: due_runs
-- Likewise of who went by age, and how much a run has taken so far.
SELECT number, users + lives + contents AS amount, coalesce(ended_at, began_at) FROM main.retention_runs
WHERE gone_at IS NULL AND amount > 0 ORDER BY number;

-- name: note_gone
-- A run that has taken more since is still due.
UPDATE main.erasures SET gone_at = $now WHERE gone_at IS NULL AND number IN (SELECT unnest($erasures::BIGINT[]));
UPDATE main.retention_runs SET gone_at = $now
WHERE gone_at IS NULL
  AND (number, users + lives + contents) IN (SELECT (unnest($runs::BIGINT[]), unnest($amounts::BIGINT[])));

-- name: keys
-- The keys of the ids of some keyed hashes.
SELECT user_key FROM user_ids
SEMI JOIN (SELECT unnest($base_keys::BIGINT[]) AS base_key, unnest($id_checks::UBIGINT[]) AS id_check)
    USING (base_key, id_check);
