-- Saved filters.

-- name: filters
SELECT id, name, rule, search, columns, sort, saved_at, saved_by, created_at
FROM filters WHERE $id::VARCHAR IS NULL OR id = $id ORDER BY id;

-- name: count
SELECT count(*) FROM filters;

-- name: save
DELETE FROM filters WHERE id = $id;
INSERT INTO filters VALUES ($id, $name, $rule, $search, $columns, $sort, $saved_at, $saved_by, $created_at, $attributes,
                            $segments, $lists);

-- name: delete
DELETE FROM filters WHERE id = $id RETURNING id;

-- name: uses
-- The filters that name something of a kind: an attribute, a segment or a list.
SELECT id, name FROM filters
WHERE list_contains(CASE $kind WHEN 'attributes' THEN attributes WHEN 'segments' THEN segments ELSE lists END, $name)
ORDER BY id;

-- name: names
SELECT attributes, segments, lists FROM filters WHERE id = $id;
