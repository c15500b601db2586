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

-- name: rename
-- Saves again, under another name of an attribute, a segment whose rule names it.
INSERT INTO segments
SELECT id, version + 1, name, description, tags, $rule, is_public, is_followed, is_archived, $saved_at, $saved_by, created_at,
       list_sort(list_transform(attributes, lambda one: CASE WHEN one = $name THEN $new_name ELSE one END)),
       segments, lists
FROM {newest} WHERE id = $id;
DELETE FROM segments WHERE id = $id AND version <= $version - $versions_max;

-- name: names
SELECT attributes, segments, lists FROM {newest} WHERE id = $id

-- name: delete
DELETE FROM segments WHERE id = $id;

-- name: uses
-- The segments whose rules name something of a kind: an attribute, a segment or a list. Archived ones ask for nothing.
SELECT id, name FROM {newest} WHERE list_contains({kind}, $name) AND ($also_archived OR NOT is_archived) ORDER BY id
