-- Values of custom attributes: read from a file of rows, decided between, compared with what holds, stored
-- (docs/decisions/0013-values.md). What stands between << and >> is repeated for each attribute that is
-- written: {n} is its number, {kind} its type, {at} its cell in the file, {rank} what makes a
-- candidate win: the greatest holds, who has none takes no part. Each step of a computation is a level of its own:
-- an expression that is named twice on one level is computed twice.

-- name: macros
-- What a text means as a value of a type, and why it means none: as `core.attributes.read_value`. Texts come
-- without control characters, and without other blanks around them than spaces.
CREATE OR REPLACE TEMP MACRO cell_of(value) AS
    CASE WHEN value < '!' OR suffix(value, ' ') THEN nullif(trim(value), '') ELSE value END;
CREATE OR REPLACE TEMP MACRO with_line_ends(value) AS
    CASE WHEN contains(value, chr(30)) THEN replace(value, chr(30), chr(10)) ELSE value END;
CREATE OR REPLACE TEMP MACRO iso_of(parts) AS
    concat(parts.year, '-', lpad(parts.month, 2, '0'), '-', lpad(parts.day, 2, '0'), parts.time);
CREATE OR REPLACE TEMP MACRO string_of(value, separator) AS
    CASE WHEN length(value) <= getvariable('value_characters_max') THEN value END;
CREATE OR REPLACE TEMP MACRO string_problem(value, separator) AS 'too_long';
CREATE OR REPLACE TEMP MACRO is_decimal(value) AS
    regexp_full_match(value, '[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?');
CREATE OR REPLACE TEMP MACRO number_of(value, separator) AS
    CASE WHEN is_decimal(value) AND abs(try_cast(value AS DOUBLE)) <= getvariable('number_max')
         THEN try_cast(value AS DOUBLE) + 0.0 END;
CREATE OR REPLACE TEMP MACRO number_problem(value, separator) AS
    CASE WHEN is_decimal(value) THEN 'out_of_range' ELSE 'wrong_type' END;
CREATE OR REPLACE TEMP MACRO boolean_of(value, separator) AS
    CASE WHEN list_contains(getvariable('true_words'), lower(value)) THEN true
         WHEN list_contains(getvariable('false_words'), lower(value)) THEN false END;
CREATE OR REPLACE TEMP MACRO boolean_problem(value, separator) AS 'wrong_type';
CREATE OR REPLACE TEMP MACRO date_of(value, separator) AS
    CASE WHEN regexp_full_match(value, '[0-9]{4}-[0-9]{2}-[0-9]{2}') AND value >= '0001'
         THEN try_cast(value AS DATE) END;
CREATE OR REPLACE TEMP MACRO date_problem(value, separator) AS 'wrong_type';
CREATE OR REPLACE TEMP MACRO instant_of(value) AS CASE
    WHEN time_of(value, NULL, NULL, NULL)
         BETWEEN getvariable('instant_min') AND getvariable('instant_max')
    THEN time_of(value, NULL, NULL, NULL) END;
CREATE OR REPLACE TEMP MACRO datetime_of(value, separator) AS instant_of(value);
CREATE OR REPLACE TEMP MACRO datetime_problem(value, separator) AS 'wrong_type';
CREATE OR REPLACE TEMP MACRO once_each(items) AS
    list_filter(items, lambda item, place: item <> '' AND list_position(items, item) = place);
CREATE OR REPLACE TEMP MACRO items_of(value, separator) AS
    once_each(list_transform(string_split(value, separator), lambda item: trim(item, getvariable('blanks'))));
CREATE OR REPLACE TEMP MACRO has_long_item(items) AS
    list_max(list_transform(items, lambda item: length(item))) > getvariable('value_characters_max');
CREATE OR REPLACE TEMP MACRO list_of(value, separator) AS
    CASE WHEN len(items_of(value, separator)) <= getvariable('list_items_max')
          AND NOT coalesce(has_long_item(items_of(value, separator)), false)
         THEN nullif(items_of(value, separator), []) END;
CREATE OR REPLACE TEMP MACRO list_problem(value, separator) AS
    CASE WHEN coalesce(has_long_item(items_of(value, separator)), false) THEN 'too_long'
         WHEN len(items_of(value, separator)) > getvariable('list_items_max') THEN 'too_many_items' END;
CREATE OR REPLACE TEMP VIEW known_types AS SELECT true;

-- name: are_types_known
SELECT EXISTS (FROM duckdb_views() WHERE temporary AND view_name = 'known_types');

-- name: written_once
SELECT digest, written FROM once_keys WHERE key = $key AND written_at > $since;

-- name: remember_once
DELETE FROM once_keys WHERE written_at <= $since OR key = $key;
INSERT INTO once_keys VALUES ($key, $digest, $written_at, $written);

-- name: fresh_keys
-- The keys that ids got just now.
CREATE OR REPLACE TEMP TABLE fresh_keys AS SELECT base_key AS user_key FROM new_ids;

-- name: provisional_ids
-- For a look at what would be: ids that are not known have keys that no id can have.
INSERT INTO known_ids
SELECT -row_number() OVER (), base_key, id_check FROM new_ids;
DELETE FROM new_ids;

-- name: keyed
-- Of whom the good rows speak.
CREATE OR REPLACE TEMP TABLE keyed AS
WITH named AS (
    SELECT base_key, id_check, user_key FROM known_ids
    UNION ALL
    SELECT base_key, id_check, base_key FROM new_ids
)
SELECT row, named.user_key, coalesce(persons.person_key, named.user_key) AS person_key, effective_at
FROM read_rows JOIN named USING (base_key, id_check)
LEFT JOIN persons ON persons.user_key = named.user_key
WHERE problem IS NULL;

-- name: contested
-- The persons of whom something else may hold than what their only row says: another row, or another run,
-- says something for the same time or later, or a source before this one may have ($is_ordered).
CREATE OR REPLACE TEMP TABLE contested AS
WITH later AS (
    SELECT DISTINCT user_key FROM candidates
    WHERE effective_at >= (SELECT min(effective_at) FROM keyed)
)
SELECT person_key FROM keyed SEMI JOIN (
    SELECT coalesce(persons.person_key, later.user_key) AS person_key
    FROM later LEFT JOIN persons USING (user_key)) AS spoken USING (person_key)
UNION
SELECT person_key FROM keyed GROUP BY person_key HAVING count(*) > 1
UNION
SELECT person_key FROM keyed WHERE $is_ordered;

-- name: say
-- What the good rows say, as candidates; `flaws` has the values that were not taken, as `7:wrong_type `.
INSERT INTO {said} BY NAME
WITH cells AS (
    SELECT try_cast(k0 AS BIGINT) AS row<<, cell_of(k{at}) AS t{n}>> FROM {file}
),
read AS (
    SELECT row<<, t{n}, CASE WHEN t{n} > chr(31) THEN {kind}_of({text}, {separator}) END AS a{n}>> FROM cells
),
judged AS (
    SELECT row
        <<, a{n}, coalesce(t{n} = chr(24), {blank_clears}) AS c{n},
        CASE WHEN a{n} IS NOT NULL OR t{n} IS NULL OR t{n} = chr(24) THEN NULL
             WHEN t{n} = chr(1) THEN 'invalid_text'
             ELSE {kind}_problem({text}, {separator}) END AS p{n}>>
    FROM read
)
SELECT user_key, $source AS source, $run AS run, row, effective_at, $written_at AS written_at,
       CASE WHEN false<< OR p{n} IS NOT NULL>>
            THEN concat(''<<, CASE WHEN p{n} IS NOT NULL THEN '{n}:' || p{n} || ' ' END>>) END AS flaws,
       CASE WHEN false<< OR c{n}>>
            THEN list_filter([NULL<<, CASE WHEN c{n} THEN {n} END>>], lambda number: number IS NOT NULL)
       END AS cleared
       <<, a{n}>>
FROM judged JOIN keyed USING (row)
WHERE false<< OR a{n} IS NOT NULL OR c{n} OR p{n} IS NOT NULL>>;

-- name: flawed
-- How many rows had values that were not taken and no other, and how many such values there were in all.
SELECT count(*) FILTER (cleared IS NULL<< AND a{n} IS NULL>>), coalesce(sum(len(flaws) - len(replace(flaws, ' ', ''))), 0)
FROM {said} WHERE run = $run AND flaws IS NOT NULL;

-- name: flaws
SELECT row, flaws FROM {said} WHERE run = $run AND flaws IS NOT NULL ORDER BY row LIMIT $listed_max;

-- name: rejections
-- All that was not taken, for a file.
SELECT row, NULL AS attribute, problem AS reason FROM read_rows WHERE problem IS NOT NULL
UNION ALL
SELECT row, {names}[split_part(flaw, ':', 1)], split_part(flaw, ':', 2)
FROM (SELECT row, unnest(string_split(trim(flaws), ' ')) AS flaw FROM {said} WHERE run = {run} AND flaws IS NOT NULL)
ORDER BY row, attribute

-- name: forget_unsaid
-- Rows of which nothing was taken; and ids that are known by nothing but rows that say nothing.
DELETE FROM {said} WHERE run = $run AND flaws IS NOT NULL AND cleared IS NULL<< AND a{n} IS NULL>>;

-- name: forget_unspoken
DELETE FROM user_ids
WHERE user_key IN (SELECT user_key FROM fresh_keys)
  AND user_key NOT IN (SELECT user_key FROM {said} WHERE run = $run);

-- name: contenders
-- All that was ever said of the contested persons.
CREATE OR REPLACE TEMP TABLE contenders AS
WITH members AS MATERIALIZED (
    SELECT coalesce(persons.user_key, contested.person_key) AS user_key, contested.person_key
    FROM contested LEFT JOIN persons USING (person_key)
)
SELECT person_key, position,
       row_number() OVER (
           PARTITION BY person_key ORDER BY name <> 'sdk', effective_at, -position, run, row) AS number
       <<, a{n}, is_cleared(cleared, {n}) AS c{n}>>
FROM {all_said} AS said JOIN members USING (user_key) JOIN {all_sources} AS sources USING (source);

-- name: decided
-- What holds for the contested persons.
CREATE OR REPLACE TEMP TABLE decided AS
WITH ranked AS (
    SELECT person_key<<, a{n}, {rank} AS r{n}>> FROM contenders
),
won AS (
    SELECT person_key<<, arg_max_null(a{n}, r{n}) AS a{n}>> FROM ranked GROUP BY person_key
)
SELECT contested.person_key<<, a{n}>> FROM contested LEFT JOIN won USING (person_key);

-- name: rewritten
-- The users of whom something else holds now, as they become; `is_new`: nothing was known of what is written.
CREATE OR REPLACE TEMP TABLE rewritten AS
WITH won AS (
    SELECT person_key<<, a{n}, true AS g{n}>> FROM decided
    UNION ALL
    SELECT person_key<<, a{n}, a{n} IS NOT NULL OR is_cleared(cleared, {n})>>
    FROM (FROM {said} WHERE run = $run) AS said
    JOIN (FROM keyed ANTI JOIN contested USING (person_key)) AS plain USING (row)
)
SELECT users.rowid AS row_id, true<< AND users.a{n} IS NULL>> AS is_new,
       users.* REPLACE (users.person_key AS person_key
                        <<, CASE WHEN g{n} THEN won.a{n} ELSE users.a{n} END AS a{n}>>)
FROM users JOIN won USING (person_key)
WHERE false<< OR (g{n} AND won.a{n} IS DISTINCT FROM users.a{n})>>;

-- name: rowless
-- The persons who have no row in `users` yet.
CREATE OR REPLACE TEMP TABLE rowless AS
SELECT DISTINCT person_key
FROM (SELECT person_key FROM keyed UNION ALL SELECT person_key FROM contested) AS spoken
ANTI JOIN users USING (person_key);

-- name: unknown
-- What holds for those, of whom anything does.
CREATE OR REPLACE TEMP TABLE unknown AS
WITH won AS (
    SELECT person_key<<, a{n}>> FROM decided
    UNION ALL
    SELECT person_key<<, a{n}>>
    FROM (FROM {said} WHERE run = $run) AS said
    JOIN (FROM keyed SEMI JOIN rowless USING (person_key) ANTI JOIN contested USING (person_key)) AS plain
        USING (row)
)
FROM won SEMI JOIN rowless USING (person_key) WHERE false<< OR a{n} IS NOT NULL>>;

-- name: counts
SELECT
    (SELECT count(*) FROM read_rows) AS read,
    (SELECT count(*) FROM read_rows WHERE problem IS NOT NULL) AS rejected,
    (SELECT count(*) - count(DISTINCT person_key)
     FROM keyed SEMI JOIN (FROM {said} WHERE run = $run) AS said USING (row)) AS superseded,
    (SELECT count(*) FILTER (is_new) FROM rewritten) + (SELECT count(*) FROM unknown) AS new,
    (SELECT count(*) FILTER (NOT is_new) FROM rewritten) AS changed;

-- name: forget_valueless
-- Of all attributes: who has neither a life nor a value has no row.
UPDATE rewritten SET person_key = NULL WHERE life_started_at IS NULL<< AND a{n} IS NULL>>;

-- name: store_values
DELETE FROM users WHERE rowid IN (SELECT row_id FROM rewritten);
INSERT INTO users SELECT * EXCLUDE (row_id, is_new) FROM rewritten WHERE person_key IS NOT NULL;
INSERT INTO users BY NAME
SELECT unknown.*, 0 AS total_sessions, 0 AS duration_us, is_anonymous
FROM unknown JOIN (SELECT user_key AS person_key, is_anonymous FROM user_ids) AS ids USING (person_key);
INSERT INTO touched_persons
SELECT person_key, last_fold + 1 FROM rewritten, state WHERE total_sessions > 0
UNION
SELECT person_key, last_fold + 1 FROM contested, state
WHERE EXISTS (FROM segments WHERE contains(rule, '"changed"'));

-- name: nothing_spoken
-- For a look at what would be: what the rows say, in place of `candidates`.
CREATE OR REPLACE TEMP TABLE spoken AS FROM candidates LIMIT 0;

-- name: known_sources
-- The sources, and last among those that count the one that has said nothing yet.
CREATE OR REPLACE TEMP TABLE known_sources AS
FROM sources
UNION ALL
SELECT $source, $name, max(position) FILTER (name <> 'sdk') + 1 FROM sources HAVING NOT bool_or(name = $name);

-- name: diff
-- Of how many users each attribute would be set, changed and cleared.
WITH counted AS (
    SELECT NULL<<, count(*) FILTER (held.a{n} IS NULL AND rewritten.a{n} IS NOT NULL) AS s{n},
           count(*) FILTER (held.a{n} IS NOT NULL AND rewritten.a{n} IS NOT NULL
                            AND held.a{n} <> rewritten.a{n}) AS d{n},
           count(*) FILTER (held.a{n} IS NOT NULL AND rewritten.a{n} IS NULL) AS e{n}>>
    FROM rewritten JOIN users AS held ON held.rowid = rewritten.row_id
),
fresh AS (SELECT NULL<<, count(a{n}) AS f{n}>> FROM unknown)
SELECT * FROM (VALUES (NULL, NULL, NULL, NULL)<<, ({n}, (SELECT s{n} FROM counted) + (SELECT f{n} FROM fresh),
    (SELECT d{n} FROM counted), (SELECT e{n} FROM counted))>>) WHERE col0 IS NOT NULL ORDER BY col0;

-- name: users
-- Of how many users the rows speak, and how many of them have an object.
SELECT count(DISTINCT person_key), count(DISTINCT person_key) FILTER (total_sessions > 0)
FROM keyed LEFT JOIN users USING (person_key);

-- name: samples
-- Some users as they are and as they would become.
WITH changed AS (
    (SELECT rewritten.person_key<<, held.a{n} AS b{n}, rewritten.a{n} AS a{n}>>
     FROM rewritten JOIN users AS held ON held.rowid = rewritten.row_id ORDER BY rewritten.person_key LIMIT $users_max)
    UNION ALL
    (SELECT person_key<<, NULL, a{n}>> FROM unknown ORDER BY person_key LIMIT $users_max)
),
named AS (
    SELECT keyed.person_key, min(struct_pack(is_anonymous, id)) AS who
    FROM keyed JOIN read_rows USING (row) SEMI JOIN changed USING (person_key) GROUP BY keyed.person_key
)
SELECT who.id AS user_id, who.is_anonymous AS is_anonymous<<, {shown_before} AS b{n}, {shown} AS a{n}>>
FROM changed JOIN named USING (person_key)
LIMIT $users_max;

-- name: remember_run
INSERT INTO runs VALUES ($run, $source, $input, $written_at, $read, $new, $changed, $unchanged, $superseded,
                         $rejected, $rejected_values, NULL);

-- name: run_before
-- A source runs once at a time.
SELECT run, read, new, changed, unchanged, superseded, rejected, rejected_values
FROM runs JOIN sources USING (source)
WHERE name = $source AND written_at = $written_at;

-- name: runs
SELECT run, name AS source, input, written_at, read, new, changed, unchanged, superseded, rejected,
       rejected_values, undone_at
FROM runs JOIN sources USING (source)
WHERE ($source IS NULL OR name = $source) AND ($before IS NULL OR run < $before)
ORDER BY run DESC LIMIT $limit;

-- name: mark_undone
UPDATE runs SET undone_at = $undone_at WHERE run = $run AND undone_at IS NULL;

-- name: begin_run
INSERT INTO sources
SELECT max(source) + 1, $source_name, max(position) FILTER (name <> 'sdk') + 1 FROM sources
HAVING NOT bool_or(name = $source_name);
UPDATE state SET last_run = last_run + 1;
SELECT last_run, source FROM state, sources WHERE name = $source_name;

-- name: undo_run
-- Whose values were said by a run, which are its no more.
CREATE OR REPLACE TEMP TABLE released AS SELECT DISTINCT user_key FROM candidates WHERE run = $run;
CREATE OR REPLACE TEMP TABLE contested AS
SELECT DISTINCT coalesce(persons.person_key, released.user_key) AS person_key
FROM released LEFT JOIN persons USING (user_key);
DELETE FROM candidates WHERE run = $run;

-- name: forget_regrouped
-- An id that was a person of values alone may be another's now.
DELETE FROM users WHERE life_started_at IS NULL AND person_key IN (SELECT user_key FROM regrouped);

-- name: contested_of_regrouped
CREATE OR REPLACE TEMP TABLE contested AS
SELECT DISTINCT person_key FROM regrouped
WHERE EXISTS (FROM candidates WHERE user_key IN (SELECT user_key FROM regrouped));

-- name: nothing_said
CREATE OR REPLACE TEMP TABLE keyed AS
SELECT row, user_key, user_key AS person_key, effective_at FROM candidates LIMIT 0;

-- name: is_contested
SELECT EXISTS (FROM contested);

-- name: forget_empty
-- Of all attributes that are left.
CREATE OR REPLACE TEMP TABLE released AS
SELECT DISTINCT user_key FROM candidates WHERE true<< AND a{n} IS NULL AND NOT is_cleared(cleared, {n})>>;
DELETE FROM candidates WHERE true<< AND a{n} IS NULL AND NOT is_cleared(cleared, {n})>>;
DELETE FROM users WHERE life_started_at IS NULL<< AND a{n} IS NULL>>;

-- name: contested_of_all
CREATE OR REPLACE TEMP TABLE contested AS
SELECT DISTINCT coalesce(persons.person_key, said.user_key) AS person_key
FROM (SELECT DISTINCT user_key FROM candidates) AS said LEFT JOIN persons USING (user_key);

-- name: candidates_of_person
-- What was said of a person, of all attributes.
SELECT user_ids.id, is_anonymous, sources.name AS source, run, row, effective_at, written_at<<, {shown} AS a{n}>>,
       coalesce(cleared, []) AS cleared
FROM candidates
JOIN user_ids USING (user_key)
JOIN sources USING (source)
WHERE user_key IN (SELECT $person_key UNION ALL SELECT user_key FROM persons WHERE person_key = $person_key)
ORDER BY effective_at, run, row;

-- name: source_order
SELECT name FROM sources ORDER BY position;

-- name: tell_everything
-- Of what the serving copy has, nothing is true any more.
DELETE FROM touched_persons;
UPDATE state SET last_fold = last_fold + 1, touched_since = last_fold + 1;
