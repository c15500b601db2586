-- Static lists, and the ids that are in them, by own key.

-- name: find
SELECT list, name FROM lists WHERE id = $id;

-- name: count
SELECT count(*) FROM lists;

-- name: create
INSERT INTO lists SELECT nextval('list_numbers'), $id, $name, $written_at, $written_at RETURNING list;

-- name: known_given
-- The keys of ids that a call names.
CREATE OR REPLACE TEMP TABLE given AS
SELECT DISTINCT user_key FROM known_ids SEMI JOIN batch_ids USING (base_key, id_check);

-- name: new_given
INSERT INTO given SELECT base_key FROM new_ids;

-- name: remove
-- Members that a call names, or with $is_override those that it does not, are members no more.
CREATE OR REPLACE TEMP TABLE released AS
SELECT user_key FROM list_members
WHERE list = $list AND (user_key IN (SELECT user_key FROM given)) <> $is_override;
DELETE FROM list_members WHERE list = $list AND user_key IN (SELECT user_key FROM released);

-- name: add
INSERT INTO list_members
SELECT $list, user_key, $written_at FROM given
WHERE user_key NOT IN (SELECT user_key FROM list_members WHERE list = $list);

-- name: tell
-- Whom rules may judge otherwise now, if some name lists.
INSERT INTO touched_persons
SELECT DISTINCT coalesce(persons.person_key, told.user_key), last_fold + 1
FROM state, {told} AS told LEFT JOIN persons USING (user_key)
WHERE EXISTS (FROM segments WHERE len(lists) > 0);

-- name: unnamed_ids
-- Ids that are to be forgotten and that copies may have, where rules name lists.
SELECT id, is_anonymous FROM user_ids
WHERE user_key IN (SELECT user_key FROM unnamed) AND EXISTS (FROM segments WHERE len(lists) > 0);

-- name: count_members
SELECT count(*) FROM list_members WHERE list = $list;

-- name: change
UPDATE lists SET name = $name, changed_at = $written_at WHERE list = $list;

-- name: delete
CREATE OR REPLACE TEMP TABLE released AS SELECT user_key FROM list_members WHERE list = $list;
DELETE FROM list_members WHERE list = $list;
DELETE FROM lists WHERE list = $list;

-- name: lists
-- The list of an id, or with NULL all, with the counts of members and of those who have an object.
SELECT lists.id, lists.name, created_at, changed_at,
       count(list_members.user_key), count(*) FILTER (users.total_sessions > 0)
FROM lists
LEFT JOIN list_members USING (list)
LEFT JOIN persons ON persons.user_key = list_members.user_key
LEFT JOIN users ON users.person_key = coalesce(persons.person_key, list_members.user_key)
WHERE $id::VARCHAR IS NULL OR lists.id = $id
GROUP BY ALL ORDER BY lists.id;

-- name: members
-- Some members in byte order of their ids, from behind one of them, or with NULL the first.
WITH page AS (
    SELECT user_key, id, is_anonymous, added_at
    FROM list_members JOIN user_ids USING (user_key)
    WHERE list = $list AND ($user_id::VARCHAR IS NULL OR (id, is_anonymous) > ($user_id, $is_anonymous))
    ORDER BY id, is_anonymous LIMIT $rows
)
SELECT id AS user_id, page.is_anonymous, added_at, coalesce(users.total_sessions > 0, false) AS is_seen
FROM page
LEFT JOIN persons USING (user_key)
LEFT JOIN users ON users.person_key = coalesce(persons.person_key, page.user_key)
ORDER BY user_id, is_anonymous

-- name: ids
SELECT id FROM lists;
