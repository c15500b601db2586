-- Content items.

-- name: contents
SELECT id, name, kind, payload, segment, is_public, saved_at, saved_by, created_at
FROM contents WHERE $id::VARCHAR IS NULL OR id = $id ORDER BY id;

-- name: count
SELECT count(*) FROM contents;

-- name: save
DELETE FROM contents WHERE id = $id;
INSERT INTO contents VALUES ($id, $name, $kind, $payload, $segment, $is_public, $saved_at, $saved_by, $created_at);

-- name: delete
DELETE FROM contents WHERE id = $id RETURNING id;

-- name: uses
SELECT id, name FROM contents WHERE segment = $segment ORDER BY id;

-- name: since_fold
-- Copies up to an earlier fold are made anew: what they have may be called otherwise.
SELECT touched_since FROM state;
