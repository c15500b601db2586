-- The path of an event, step by step: judge, find its user, find its copies, store.

-- name: file_rows
-- The rows without message id of the file that each space is taking, by what the file says: whether ids are
-- hashed may change meanwhile.
CREATE TEMP TABLE file_rows (space VARCHAR, client_at BIGINT, row_hash UBIGINT);

-- name: begin_file
DELETE FROM file_rows WHERE space = $space;

-- name: judged
-- Each row with its user, its keys and what is wrong with it. Order: form, then the space's exclusions,
-- then identity.
CREATE OR REPLACE TEMP TABLE judged AS
WITH trimmed AS (
    SELECT rows.* EXCLUDE (occurred_at, received_at, client_at, user_id, anonymous_id, previous_id),
        received_at IS NOT NULL AS is_live,
        client_at AS client_at_sent,
        coalesce(received_at, $received_at) AS received_at,
        coalesce(rows.occurred_at, time_of(time_text, $unit, $number_from, $number_to)) AS occurred_at,
        trimmed_id(user_id) AS user_id, trimmed_id(anonymous_id) AS anonymous_id,
        trimmed_id(previous_id) AS previous_id
    FROM rows
    WHERE problem IS DISTINCT FROM 'blank'
),
timed AS (
    SELECT * EXCLUDE (user_id, anonymous_id, previous_id),
        unless_junk(user_id) AS known_user, unless_junk(anonymous_id) AS known_anonymous,
        unless_junk(previous_id) AS known_previous
    FROM trimmed
),
owned AS (
    SELECT timed.*,
        CASE WHEN is_live THEN client_at_sent
             ELSE coalesce(time_of(client_text, $unit, $number_from, $number_to), occurred_at) END AS client_at,
        coalesce(known_user, known_anonymous) AS plain_id,
        known_user IS NULL AS is_anonymous,
        CASE WHEN $hash_ids AND NOT is_anonymous AND NOT is_hashed
             THEN hashed_id($salt, plain_id) ELSE plain_id END AS id,
        CASE WHEN known_user IS NOT NULL THEN known_anonymous END AS other_id,
        NOT coalesce(regexp_full_match(active_text, 'false|0|no|f|n'), false)
            AND NOT (is_server AND $server_events = 'no_visit') AS is_active,
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
keyed AS (
    SELECT *,
        id_hash($secret, is_anonymous, '', id) AS id_hash,
        message_key_of(coalesce(message_id, row_text(type, name, page_url, properties, 1))) AS message_key,
        CASE
            WHEN problem IS NOT NULL THEN problem
            WHEN NOT regexp_full_match(type, 'page|screen|track|identify|group|alias') THEN 'invalid_type'
            WHEN NOT regexp_full_match(active_text, 'true|false|1|0|yes|no|t|f|y|n') THEN 'invalid_active'
            WHEN occurred_at IS NULL AND time_text IS NULL THEN 'missing_time'
            WHEN occurred_at IS NULL THEN 'invalid_time'
            WHEN occurred_at NOT BETWEEN $occurred_at_min AND $occurred_at_max THEN 'invalid_time'
            WHEN occurred_at > received_at + $tolerance_us THEN 'future_time'
        END AS malformed,
        CASE
            WHEN left_out IS NOT NULL THEN left_out
            WHEN is_crawler AND $exclude_crawlers THEN 'crawler'
            WHEN is_excluded_ip THEN 'ip'
            WHEN len($excluded_hosts) > 0 AND list_contains($excluded_hosts, host_of(page_url)) THEN 'host'
            WHEN len($excluded_users) > 0 AND list_contains($excluded_users, plain_id) THEN 'user'
        END AS unwanted,
        CASE
            WHEN plain_id IS NULL THEN 'junk_user_id'
            WHEN strlen(plain_id) > $id_bytes_max OR strlen(other_id) > $id_bytes_max
                OR strlen(known_previous) > $id_bytes_max THEN 'user_id_too_long'
            WHEN strlen(message_id) > $message_id_bytes_max THEN 'message_id_too_long'
        END AS unowned
    FROM owned
),
decided AS (
    SELECT *,
        user_key_of(id_hash) AS user_key,
        id_check_of(id_hash) AS id_check,
        CASE WHEN malformed IS NULL THEN unwanted END AS excluded,
        coalesce(malformed, CASE WHEN unwanted IS NULL AND NOT $counts_only THEN unowned END) AS rejected
    FROM keyed
)
SELECT
    line, id, is_anonymous, other_id, message_id, client_at, occurred_at, received_at, type, name, ip,
    page_url, properties, traits,
    known_previous AS previous_id,
    place_id, browser_id, is_live, user_key, id_check, message_key, excluded, rejected,
    excluded IS NULL AND rejected IS NULL AND NOT $counts_only AS is_good,
    excluded IS NULL AND rejected IS NULL AND $counts_only AS is_counted,
    CASE WHEN message_id IS NULL AND NOT is_live THEN hash(plain_id, is_anonymous, message_key) END AS row_hash,
    is_active AND type <> 'alias' AND type <> 'group' AS is_visit,
    is_active AND (type = 'page' OR type = 'screen') AS is_page_view,
    is_active AND type = 'track' AND coalesce(name, '') <> '$heartbeat' AS is_act
FROM decided;

-- name: span
SELECT coalesce(min(client_at), 0), coalesce(max(client_at), 0),
       coalesce(min(received_at), 0), coalesce(max(received_at), 0),
       count_if(client_at IS NULL)
FROM judged WHERE is_good;

-- name: repeats
-- Identical rows without a message id: which copy within the file each is, where it is not the first.
CREATE OR REPLACE TEMP TABLE repeats AS
WITH suspects AS (
    SELECT client_at, row_hash, 0 AS copies FROM judged
    WHERE is_good AND row_hash IS NOT NULL
    GROUP BY client_at, row_hash HAVING count(*) > 1
    UNION ALL
    SELECT client_at, row_hash, 1 FROM file_rows
    SEMI JOIN (FROM judged WHERE is_good) AS good USING (client_at, row_hash)
    WHERE space = $space AND client_at BETWEEN $batch_from AND $batch_to
),
counted AS (
    SELECT client_at, row_hash, sum(copies) AS earlier FROM suspects GROUP BY client_at, row_hash
)
SELECT judged.rowid AS row_id,
       (earlier + row_number() OVER (PARTITION BY client_at, row_hash ORDER BY line))::BIGINT AS copy
FROM judged JOIN counted USING (client_at, row_hash)
WHERE is_good
QUALIFY copy > 1;

-- name: remember_rows
INSERT INTO file_rows SELECT $space, client_at, row_hash FROM judged WHERE is_good AND row_hash IS NOT NULL;

-- name: number_repeats
UPDATE judged
SET message_key = message_key_of(row_text(type, name, page_url, properties, copy))
FROM repeats WHERE judged.rowid = repeats.row_id;

-- name: batch_ids
CREATE OR REPLACE TEMP TABLE batch_ids AS
SELECT user_key AS base_key, id_check, any_value(is_anonymous) AS is_anonymous, any_value(id) AS id
FROM judged WHERE is_good GROUP BY user_key, id_check;

-- name: salted
-- Rows of ids that have another key than their own: of the next salt, or from before they were hashed.
UPDATE judged SET user_key = salted.user_key
FROM (FROM known_ids WHERE user_key <> base_key) AS salted
WHERE judged.user_key = salted.base_key AND judged.id_check = salted.id_check;

-- name: stored_copies
-- Rows of this batch that are stored already, with what the stored event knows. Materialized, the look
-- at one column costs a third of a join on three.
CREATE OR REPLACE TEMP TABLE stored_copies AS
WITH same_time AS MATERIALIZED (
    SELECT rowid AS event_row, user_key, client_at, message_key, occurred_at, is_visit, place_id, browser_id
    FROM events
    WHERE client_at IN (SELECT client_at FROM judged WHERE is_good)
      AND client_at BETWEEN $batch_from AND $batch_to
)
SELECT judged.rowid AS row_id, stored.event_row, stored.user_key, stored.occurred_at, stored.is_visit,
       stored.place_id AS known_place, stored.browser_id AS known_browser,
       judged.place_id, judged.browser_id
FROM same_time AS stored JOIN judged
    ON stored.user_key = judged.user_key
   AND stored.client_at = judged.client_at
   AND stored.message_key = judged.message_key
WHERE judged.is_good;

-- name: undated_copies
-- The same for rows without a client time: the message counts for a week from its receipt.
INSERT INTO stored_copies
WITH recent AS MATERIALIZED (
    SELECT rowid AS event_row, user_key, message_key, received_at, occurred_at, is_visit, place_id, browser_id
    FROM events
    WHERE client_at IS NULL
      AND received_at BETWEEN $received_from - $undated_us AND $received_to + $undated_us
      AND message_key IN (SELECT message_key FROM judged WHERE is_good AND client_at IS NULL)
)
SELECT judged.rowid, stored.event_row, stored.user_key, stored.occurred_at, stored.is_visit,
       stored.place_id, stored.browser_id, judged.place_id, judged.browser_id
FROM recent AS stored JOIN judged
    ON stored.user_key = judged.user_key
   AND stored.message_key = judged.message_key
   AND abs(judged.received_at - stored.received_at) <= $undated_us
WHERE judged.is_good AND judged.client_at IS NULL
QUALIFY row_number() OVER (PARTITION BY judged.rowid ORDER BY stored.received_at) = 1;

-- name: batch_copies
-- Rows of this batch that repeat another of it, and the row that they repeat. (A batch is read within
-- days, so among its rows without a client time a week does not matter.)
CREATE OR REPLACE TEMP TABLE batch_copies AS
WITH fresh AS (
    SELECT rowid AS row_id, line, user_key, client_at, message_key, place_id, browser_id FROM judged
    WHERE is_good AND rowid NOT IN (SELECT row_id FROM stored_copies)
),
twins AS (
    SELECT client_at, message_key FROM fresh GROUP BY client_at, message_key HAVING count(*) > 1
)
SELECT row_id, place_id, browser_id, first_value(row_id) OVER same AS first_row
FROM fresh SEMI JOIN twins
    ON fresh.message_key = twins.message_key AND fresh.client_at IS NOT DISTINCT FROM twins.client_at
WINDOW same AS (PARTITION BY user_key, client_at, message_key ORDER BY line)
QUALIFY count(*) OVER (PARTITION BY user_key, client_at, message_key) > 1;

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
SELECT best.* FROM best JOIN judged ON judged.rowid = best.first_row
WHERE best.place_id IS DISTINCT FROM judged.place_id OR best.browser_id IS DISTINCT FROM judged.browser_id;
UPDATE judged SET place_id = improved_rows.place_id, browser_id = improved_rows.browser_id
FROM improved_rows WHERE judged.rowid = improved_rows.first_row;

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
SELECT user_key, client_at, message_key, occurred_at, received_at, $batch,
       is_visit, is_page_view, is_act, place_id, browser_id, type, name, message_id, page_url,
       properties, traits, CASE WHEN $store_ip THEN ip END, other_id,
       CASE WHEN $hash_ids AND previous_id <> '' THEN hashed_id($salt, previous_id) ELSE previous_id END
FROM judged
WHERE is_good
  AND rowid NOT IN (SELECT row_id FROM stored_copies)
  AND rowid NOT IN (SELECT row_id FROM batch_copies WHERE row_id <> first_row);

-- name: store_properties
-- What each new event says about the analytics properties. Of a group they are the group's. Of events up to
-- $contentless_to, if that is given, it is known already.
INSERT INTO property_events
WITH said AS (
    SELECT user_key, occurred_at, message_text(message_id, message_key) AS message_id, is_visit, property,
           json_extract(traits, '$.' || property) AS value
    FROM (SELECT *, unnest($properties) AS property FROM events
          WHERE batch >= $batch AND traits IS NOT NULL AND type <> 'group'
            AND (occurred_at <= $contentless_to::BIGINT) IS NOT TRUE)
)
SELECT user_key, property, occurred_at, message_id, is_visit, property_text(value)
FROM said
WHERE value IS NOT NULL AND NOT is_ignored(value) AND coalesce(property_text(value) <> '', true);

-- name: advance
-- The first event that came over HTTP makes the space live, for good. Until then its clock is a history
-- clock: the greatest time of any stored event; it never goes back.
UPDATE state SET
    last_batch = $batch,
    greatest_event_at = greatest(greatest_event_at, new.greatest_at),
    live_since = coalesce(live_since, accepted.first_at),
    clock_at = CASE WHEN coalesce(live_since, accepted.first_at) IS NULL
                    THEN greatest(clock_at, new.greatest_at) ELSE clock_at END
FROM (SELECT max(occurred_at) AS greatest_at FROM events WHERE batch = $batch) AS new,
     (SELECT min(received_at) FILTER (is_live AND (is_good OR is_counted)) AS first_at FROM judged) AS accepted;

-- name: outcomes
SELECT
    (SELECT count(*) FROM events WHERE batch = $batch) AS stored,
    (SELECT count(*) FROM judged WHERE is_good) AS good,
    (SELECT count(*) FROM improved_events) + (SELECT count(*) FROM improved_rows) AS filled;

-- name: refused
SELECT rejected, excluded, count(*) FROM judged WHERE NOT is_good GROUP BY ALL;

-- name: known_outcomes
SELECT outcome, reason, events FROM main.outcomes WHERE space = $space;

-- name: store_outcomes
DELETE FROM main.outcomes WHERE space = $space;
INSERT INTO main.outcomes
SELECT $space, unnest($kinds::VARCHAR[]), unnest($reasons::VARCHAR[]), unnest($counts::BIGINT[]);

-- name: last_rows
-- What became of the last rows, for people who watch.
SELECT received_at, occurred_at, id, is_anonymous, type, name, page_url,
    CASE
        WHEN excluded IS NOT NULL THEN 'excluded'
        WHEN rejected IS NOT NULL THEN 'rejected'
        WHEN is_counted THEN 'counted'
        WHEN judged.rowid IN (SELECT first_row FROM improved_rows) THEN 'filled'
        WHEN judged.rowid IN (
            SELECT row_id FROM stored_copies UNION ALL
            SELECT row_id FROM batch_copies WHERE row_id <> first_row) THEN 'duplicate'
        ELSE 'stored'
    END,
    coalesce(rejected, excluded)
FROM judged
ORDER BY line DESC
LIMIT $count;

-- name: rejected_rows
SELECT line, rejected FROM judged WHERE rejected IS NOT NULL ORDER BY line;

-- name: ignored_properties
SELECT count(*) FROM (
    SELECT json_extract(traits, '$.' || unnest($properties)) AS value FROM events
    WHERE batch = $batch AND traits IS NOT NULL AND type <> 'group')
WHERE is_ignored(value);
