-- Rows of files of `enduser.stores.row_file`: whose ids they have, and which of them cannot be taken. {file} is
-- where they are read from, {id_at}, {kind_cell} and {effective_cell} are their cells.

-- name: file
read_csv($paths, auto_detect = false, header = false, delim = chr(31), quote = '', escape = '', new_line = '\n',
         max_line_size = 4194304, buffer_size = 16777216, columns = {{columns}})

-- name: read
-- The rows of a file, each good or with the reason why not, and of whom they speak. The marks in cells are those
-- of `enduser.stores.row_file`. Each step is a level of its own: an expression that is named twice on one level
-- is computed twice.
CREATE OR REPLACE TEMP TABLE read_rows AS
WITH cells AS (
    SELECT try_cast(k0 AS BIGINT) AS row, unless_junk(trimmed_id(k{id_at})) AS id_text, {kind_cell} AS kind_cell,
           nullif(trimmed_id({effective_cell}), '') AS effective_text,
           CASE WHEN starts_with(k1, chr(2)) THEN substr(k1, 2) END AS found_bad
    FROM {file}
),
read AS (
    SELECT row, id_text, coalesce(kind_cell = 'a', false) AS is_anonymous,
           coalesce(kind_cell = 'h', false) AS is_hashed, found_bad,
           CASE WHEN effective_text IS NULL THEN $written_at ELSE instant_of(effective_text) END AS effective_at
    FROM cells
),
judged AS (
    SELECT row, is_anonymous, effective_at,
        CASE WHEN found_bad IS NOT NULL THEN found_bad
             WHEN id_text IS NULL THEN 'junk_user_id'
             WHEN id_text = chr(1) OR contains(id_text, chr(30)) THEN 'invalid_user_id'
             WHEN is_hashed AND NOT $hash_ids THEN 'ids_not_hashed'
             WHEN strlen(id_text) > $id_bytes_max THEN 'user_id_too_long'
             WHEN effective_at IS NULL THEN 'invalid_time'
             WHEN effective_at > $written_at + $tolerance_us THEN 'future_time' END AS problem,
        CASE WHEN $hash_ids AND NOT is_anonymous AND NOT is_hashed THEN hashed_id($salt, id_text)
             ELSE id_text END AS id
    FROM read
),
hashed AS (
    SELECT *, id_hash($secret, is_anonymous, '', id) AS id_hash FROM judged
)
SELECT * EXCLUDE (id_hash), user_key_of(id_hash) AS base_key, id_check_of(id_hash) AS id_check
FROM hashed;

-- name: rejected
SELECT row, problem FROM read_rows WHERE problem IS NOT NULL ORDER BY row LIMIT $listed_max;

-- name: count_rejected
SELECT count(*) FROM read_rows WHERE problem IS NOT NULL;

-- name: first_of_only_rejected
-- Why the first row cannot be taken, if none of them can.
SELECT arg_min(problem, row) FROM read_rows HAVING count(problem) = count(*) AND count(*) > 0;

-- name: ids
CREATE OR REPLACE TEMP TABLE batch_ids AS
SELECT base_key, id_check, any_value(is_anonymous) AS is_anonymous, any_value(id) AS id
FROM read_rows WHERE problem IS NULL GROUP BY base_key, id_check;
