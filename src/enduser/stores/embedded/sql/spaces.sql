-- What the data folder knows of spaces besides their tables: settings and write keys.

-- name: settings
SELECT space, name, value FROM main.settings;

-- name: settings_of
SELECT name, value FROM main.settings WHERE space = $space;

-- name: store_setting
DELETE FROM main.settings WHERE space = $space AND name = $name;
INSERT INTO main.settings VALUES ($space, $name, $value);

-- name: has_users
SELECT EXISTS (FROM user_ids);

-- name: write_keys
SELECT space, write_key, created_at, ends_at FROM main.write_keys ORDER BY created_at, rowid;

-- name: end_write_keys
UPDATE main.write_keys SET ends_at = $ends_at WHERE space = $space AND coalesce(ends_at > $ends_at, true);
