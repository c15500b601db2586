-- The path of an event, step by step: judge, find its user, find its copies, store.

-- name: session_tables
-- What has been looked up once in this process.
CREATE OR REPLACE TEMP TABLE agents (user_agent VARCHAR, browser_id INTEGER, is_crawler BOOLEAN);
CREATE OR REPLACE TEMP TABLE addresses (ip VARCHAR, place_id INTEGER, is_excluded BOOLEAN);
CREATE OR REPLACE TEMP TABLE named_places (country VARCHAR, region VARCHAR, city VARCHAR, place_id INTEGER);
CREATE OR REPLACE TEMP TABLE file_rows (base_key BIGINT, id_check UBIGINT, occurred_at BIGINT, message_key BIGINT, copies BIGINT);

-- name: judged
-- Each row with its user, its keys and what is wrong with it. Order: form, then the space's exclusions,
-- then identity.
CREATE OR REPLACE TEMP TABLE judged AS
WITH timed AS (
    SELECT rows.* EXCLUDE (occurred_at, line_number),
        coalesce(line_number, $first_line + rows.rowid - (SELECT min(rowid) FROM rows)) AS line,
        coalesce(rows.occurred_at, time_of(time_text, $unit)) AS occurred_at,
        known_id(user_id) AS known_user, known_id(anonymous_id) AS known_anonymous
    FROM rows
    WHERE problem IS DISTINCT FROM 'blank'
),
owned AS (
    SELECT timed.*,
        coalesce(known_user, known_anonymous) AS owner_id,
        known_user IS NULL AS is_anonymous,
        coalesce(active_text NOT IN ('false', '0', 'no', 'f', 'n'), true) AS is_active,
        agents.browser_id, agents.is_crawler,
        coalesce(named_places.place_id, addresses.place_id) AS place_id,
        addresses.is_excluded AS is_excluded_ip
    FROM timed
    LEFT JOIN agents ON timed.user_agent = agents.user_agent
    LEFT JOIN addresses ON timed.ip = addresses.ip
    LEFT JOIN named_places ON timed.country IS NOT DISTINCT FROM named_places.country
        AND timed.region IS NOT DISTINCT FROM named_places.region
        AND timed.city IS NOT DISTINCT FROM named_places.city
),
stored_ids AS (
    SELECT * REPLACE (CASE WHEN $hash_ids AND NOT is_anonymous THEN hashed_id($salt, owner_id) ELSE owner_id END AS owner_id),
        strlen(owner_id) AS owner_bytes,
        owner_id AS plain_id
    FROM owned
),
hashed AS (
    SELECT *, id_text($secret, is_anonymous, '', owner_id) AS hash_text FROM stored_ids
)
SELECT
    line, owner_id, is_anonymous, message_id, occurred_at, type, name, ip, page_url, properties, traits,
    previous_id, place_id, browser_id,
    is_active AND type NOT IN ('alias', 'group') AS is_visit,
    is_active AND type IN ('page', 'screen') AS is_page_view,
    is_active AND type = 'track' AND coalesce(name, '') <> '$heartbeat' AS is_act,
    user_key_of(hash_text) AS base_key,
    id_check_of(hash_text) AS id_check,
    message_key_of(coalesce(message_id, row_text(type, name, page_url, properties, 1))) AS message_key,
    CASE
        WHEN problem IS NOT NULL THEN problem
        WHEN type NOT IN ('page', 'screen', 'track', 'identify', 'group', 'alias') THEN 'invalid_type'
        WHEN active_text NOT IN ('true', 'false', '1', '0', 'yes', 'no', 't', 'f', 'y', 'n') THEN 'invalid_active'
        WHEN occurred_at IS NULL AND time_text IS NULL THEN 'missing_time'
        WHEN occurred_at IS NULL THEN 'invalid_time'
        WHEN occurred_at NOT BETWEEN -62135596800000000 AND 253402300799999999 THEN 'invalid_time'
        WHEN occurred_at > $future THEN 'future_time'
    END AS malformed,
    CASE
        WHEN left_out IS NOT NULL THEN left_out
        WHEN is_crawler AND $exclude_crawlers THEN 'crawler'
        WHEN is_excluded_ip THEN 'ip'
        WHEN len($excluded_hosts) > 0 AND list_contains($excluded_hosts, host_of(page_url)) THEN 'host'
        WHEN len($excluded_users) > 0 AND list_contains($excluded_users, plain_id) THEN 'user'
    END AS excluded,
    CASE
        WHEN owner_id IS NULL THEN 'junk_user_id'
        WHEN owner_bytes > $id_bytes_max THEN 'user_id_too_long'
        WHEN strlen(message_id) > $message_id_bytes_max THEN 'message_id_too_long'
    END AS unowned,
    coalesce(malformed, CASE WHEN excluded IS NULL THEN unowned END) AS rejected,
    coalesce(malformed, excluded, unowned) IS NULL AS is_good
FROM hashed;

-- name: repeats
-- Identical rows without a message id: which copy within the file each is, where it is not the first.
CREATE OR REPLACE TEMP TABLE repeats AS
WITH plain AS (
    SELECT rowid AS row_id, base_key, id_check, occurred_at, message_key, line
    FROM judged WHERE is_good AND message_id IS NULL
),
suspects AS (
    SELECT base_key, id_check, occurred_at, message_key, 0 AS copies FROM plain
    GROUP BY ALL HAVING count(*) > 1
    UNION ALL
    SELECT base_key, id_check, occurred_at, message_key, copies FROM file_rows
    SEMI JOIN plain USING (base_key, id_check, occurred_at, message_key)
),
counted AS (
    SELECT base_key, id_check, occurred_at, message_key, sum(copies) AS earlier FROM suspects GROUP BY ALL
)
SELECT row_id, (earlier + row_number() OVER (
    PARTITION BY base_key, id_check, occurred_at, message_key ORDER BY line))::BIGINT AS copy
FROM plain JOIN counted USING (base_key, id_check, occurred_at, message_key)
QUALIFY copy > 1;

-- name: remember_rows
INSERT INTO file_rows
SELECT base_key, id_check, occurred_at, message_key, count(*) FROM judged
WHERE is_good AND message_id IS NULL GROUP BY ALL;

-- name: number_repeats
UPDATE judged
SET message_key = message_key_of(row_text(type, name, page_url, properties, copy))
FROM repeats WHERE judged.rowid = repeats.row_id;

-- name: new_ids
CREATE OR REPLACE TEMP TABLE new_ids AS
SELECT base_key, id_check, any_value(is_anonymous) AS is_anonymous, any_value(owner_id) AS id
FROM judged
WHERE is_good
GROUP BY base_key, id_check
HAVING (base_key, id_check) NOT IN (SELECT (base_key, id_check) FROM user_ids);

-- name: clashing_ids
-- New ids whose key another id has: the key of the next salt is theirs.
SELECT id, is_anonymous, base_key, id_check FROM new_ids
WHERE base_key IN (SELECT user_key FROM user_ids)
   OR base_key IN (SELECT base_key FROM new_ids GROUP BY base_key HAVING count(*) > 1)
ORDER BY is_anonymous, id;

-- name: store_new_ids
INSERT INTO user_ids
SELECT base_key, base_key, id_check, is_anonymous, id FROM new_ids;

-- name: arriving
-- Good rows with their final key, the first of the copies within this batch marked.
CREATE OR REPLACE TEMP TABLE arriving AS
SELECT judged.* EXCLUDE (base_key, id_check, malformed, excluded, unowned, rejected, is_good, owner_id, is_anonymous),
       coalesce(salted.user_key, judged.base_key) AS user_key
FROM judged LEFT JOIN (FROM user_ids WHERE user_key <> base_key) AS salted USING (base_key, id_check)
WHERE is_good;

-- name: stored_copies
-- Rows of this batch that are stored already, with what the stored event knows.
CREATE OR REPLACE TEMP TABLE stored_copies AS
SELECT arriving.rowid AS row_id, events.rowid AS event_row, events.user_key, events.occurred_at,
       events.is_visit,
       events.place_id AS known_place, events.browser_id AS known_browser,
       arriving.place_id, arriving.browser_id
FROM events JOIN arriving
    ON events.user_key = arriving.user_key
   AND events.client_at = arriving.occurred_at
   AND events.message_key = arriving.message_key
WHERE events.client_at BETWEEN $least AND $greatest;

-- name: batch_copies
-- Rows of this batch that repeat another of it, and the row that they repeat.
CREATE OR REPLACE TEMP TABLE batch_copies AS
WITH twins AS (
    SELECT user_key, occurred_at, message_key FROM arriving
    GROUP BY ALL HAVING count(*) > 1
),
ranked AS (
    SELECT arriving.rowid AS row_id, place_id, browser_id,
           first_value(arriving.rowid) OVER same AS first_row
    FROM arriving JOIN twins USING (user_key, occurred_at, message_key)
    WINDOW same AS (PARTITION BY user_key, occurred_at, message_key ORDER BY line)
)
SELECT * FROM ranked;

-- name: fill_batch
-- The greatest known place and browser of all copies within the batch goes to the first.
CREATE OR REPLACE TEMP TABLE improved_rows AS
WITH best AS (
    SELECT first_row,
        arg_max(place_id, (coalesce(country, ''), coalesce(region, ''), coalesce(city, '')))
            FILTER (place_id IS NOT NULL) AS place_id,
        arg_max(browser_id, (coalesce(name, ''), coalesce(version, '')))
            FILTER (browser_id IS NOT NULL) AS browser_id
    FROM batch_copies LEFT JOIN places USING (place_id) LEFT JOIN browsers USING (browser_id)
    GROUP BY first_row
)
SELECT best.* FROM best JOIN arriving ON arriving.rowid = best.first_row
WHERE best.place_id IS DISTINCT FROM arriving.place_id OR best.browser_id IS DISTINCT FROM arriving.browser_id;
UPDATE arriving SET place_id = improved_rows.place_id, browser_id = improved_rows.browser_id
FROM improved_rows WHERE arriving.rowid = improved_rows.first_row;

-- name: fill_stored
-- Stored events that a copy tells more about.
CREATE OR REPLACE TEMP TABLE improved_events AS
WITH claims AS (
    SELECT event_row, place_id, browser_id FROM stored_copies
    UNION ALL
    SELECT event_row, known_place, known_browser FROM stored_copies
),
best AS (
    SELECT event_row,
        arg_max(place_id, (coalesce(country, ''), coalesce(region, ''), coalesce(city, '')))
            FILTER (place_id IS NOT NULL) AS place_id,
        arg_max(browser_id, (coalesce(name, ''), coalesce(version, '')))
            FILTER (browser_id IS NOT NULL) AS browser_id
    FROM claims LEFT JOIN places USING (place_id) LEFT JOIN browsers USING (browser_id)
    GROUP BY event_row
),
known AS (
    SELECT event_row, any_value(user_key) AS user_key, any_value(occurred_at) AS occurred_at,
           any_value(is_visit) AS is_visit,
           any_value(known_place) AS known_place, any_value(known_browser) AS known_browser
    FROM stored_copies GROUP BY event_row
)
SELECT * FROM best JOIN known USING (event_row)
WHERE best.place_id IS DISTINCT FROM known_place OR best.browser_id IS DISTINCT FROM known_browser;
UPDATE events SET place_id = improved_events.place_id, browser_id = improved_events.browser_id
FROM improved_events WHERE events.rowid = improved_events.event_row;
INSERT INTO filled_events SELECT user_key, occurred_at FROM improved_events WHERE is_visit;

-- name: store_events
INSERT INTO events
SELECT user_key, occurred_at, message_key, occurred_at, $received_at, $batch,
       is_visit, is_page_view, is_act, place_id, browser_id, type, name, message_id, page_url,
       CASE WHEN previous_id IS NULL THEN properties
            ELSE json_merge_patch(coalesce(properties, '{}'), json_object('previous_id', previous_id))::VARCHAR END,
       traits,
       CASE WHEN $store_ip THEN ip END
FROM arriving
WHERE rowid NOT IN (SELECT row_id FROM stored_copies)
  AND rowid NOT IN (SELECT row_id FROM batch_copies WHERE row_id <> first_row);

-- name: advance
-- The history clock: the greatest time of any stored event; it never goes back.
UPDATE state SET
    last_batch = $batch,
    greatest_event_at = greatest(greatest_event_at, $greatest_stored),
    clock_at = greatest(clock_at, $greatest_stored);

-- name: outcomes
SELECT
    (SELECT count(*) FROM events WHERE batch = $batch) AS stored,
    (SELECT max(occurred_at) FROM events WHERE batch = $batch) AS greatest_stored,
    (SELECT count(*) FROM arriving) AS good,
    (SELECT count(*) FROM improved_rows) + (SELECT count(*) FROM improved_events) AS filled;

-- name: refused
SELECT rejected, CASE WHEN rejected IS NULL THEN excluded END AS excluded, count(*)
FROM judged WHERE NOT is_good GROUP BY ALL;

-- name: rejected_rows
SELECT line, rejected FROM judged WHERE rejected IS NOT NULL ORDER BY line;

-- name: ignored_properties
SELECT coalesce(sum(ignored_in(traits)), 0)::BIGINT FROM events WHERE batch = $batch AND traits IS NOT NULL;

-- name: store_salted_id
-- One id under the key of a salt, unless another id has that key.
INSERT INTO user_ids
SELECT user_key_of(id_text($secret, $is_anonymous, $salt, $id)) AS user_key, $base_key, $id_check, $is_anonymous, $id
WHERE user_key NOT IN (SELECT user_key FROM user_ids)
  AND user_key NOT IN (SELECT base_key FROM new_ids WHERE id_check <> $id_check)
RETURNING user_key;

-- name: forget_new_id
DELETE FROM new_ids WHERE base_key = $base_key AND id_check = $id_check;
