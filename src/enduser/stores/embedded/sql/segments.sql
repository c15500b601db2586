-- Segments: what holds is the last version of each.

-- name: newest
SELECT * FROM segments QUALIFY version = max(version) OVER (PARTITION BY id)

-- name: rules
-- The rules that others can name.
SELECT id, rule FROM {newest} WHERE NOT is_archived

-- name: segments
SELECT id, name, rule, description, tags, is_public, is_followed, is_archived, version, saved_at, saved_by, created_at
FROM {newest} WHERE $id::VARCHAR IS NULL OR id = $id ORDER BY id

-- name: versions
SELECT id, name, rule, description, tags, is_public, is_followed, is_archived, version, saved_at, saved_by, created_at
FROM segments WHERE id = $id ORDER BY version DESC

-- name: count
SELECT count(DISTINCT id) FROM segments;

-- name: save
INSERT INTO segments VALUES ($id, $version, $name, $description, $tags, $rule, $is_public, $is_followed, $is_archived, $saved_at,
                             $saved_by, $created_at, $attributes, $segments, $lists);
DELETE FROM segments WHERE id = $id AND version <= $version - $versions_max;

-- name: delete
DELETE FROM segments WHERE id = $id;

-- name: uses
-- The segments whose rules name something of a kind: an attribute, a segment or a list.
SELECT id, name FROM {newest} WHERE list_contains({kind}, $name) ORDER BY id

-- name: list_ids
SELECT id FROM lists;
