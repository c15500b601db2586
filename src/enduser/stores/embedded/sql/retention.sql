-- Deleting by age, portion by portion (docs/retention.md). `$last` is the last instant that is too old; what a
-- portion takes away stands in the tables `erased` (ids of persons who go) and `returned` (persons whose earlier
-- lives go).

-- name: nothing
CREATE OR REPLACE TEMP TABLE idle (person_key BIGINT, last_at BIGINT);
CREATE OR REPLACE TEMP TABLE erased (user_key BIGINT);
CREATE OR REPLACE TEMP TABLE beside (user_key BIGINT);
CREATE OR REPLACE TEMP TABLE returned (person_key BIGINT, life_started_at BIGINT, begins_after BIGINT);
CREATE OR REPLACE TEMP TABLE returned_ids (user_key BIGINT, life_started_at BIGINT, begins_after BIGINT);
CREATE OR REPLACE TEMP TABLE bare_links (row_id BIGINT, one_key BIGINT, other_key BIGINT);
CREATE OR REPLACE TEMP TABLE emptied (row_id BIGINT, user_key BIGINT, occurred_at BIGINT);

-- name: idle
-- Persons whose last visit event is too old, in the order of keys, in which the serving copy has most objects too.
INSERT INTO idle
SELECT person_key, last_visit_at FROM users WHERE last_visit_at <= $last ORDER BY person_key LIMIT $persons_max;
SELECT EXISTS (FROM idle);

-- name: idle_unseen
-- Persons without visit events whose last event or write is too old.
INSERT INTO idle
WITH unseen AS MATERIALIZED (
    SELECT user_ids.user_key, coalesce(persons.person_key, user_ids.user_key) AS person_key
    FROM user_ids LEFT JOIN persons USING (user_key)
    WHERE coalesce(persons.person_key, user_ids.user_key) NOT IN (
        SELECT person_key FROM users WHERE last_visit_at IS NOT NULL)
),
active AS (
    SELECT user_key, occurred_at AS active_at FROM events WHERE user_key IN (SELECT user_key FROM unseen)
    UNION ALL
    SELECT user_key, written_at FROM candidates WHERE user_key IN (SELECT user_key FROM unseen)
    UNION ALL
    SELECT user_key, added_at FROM list_members WHERE user_key IN (SELECT user_key FROM unseen)
)
SELECT person_key, max(active_at) FROM active JOIN unseen USING (user_key)
GROUP BY person_key HAVING max(active_at) <= $last
LIMIT $persons_max;
SELECT EXISTS (FROM idle);

-- name: returned
-- All persons who came again after a life that was over as of the time; and of the ids that their earlier lives name
-- those of which nothing is known then. All at once: what goes of one can give an id, with its events, to another, whose
-- lives are others then.
INSERT INTO returned
SELECT person_key, life_started_at, begins_after FROM users WHERE begins_after < $as_of;
INSERT INTO returned_ids
SELECT coalesce(persons.user_key, returned.person_key), life_started_at, begins_after
FROM returned LEFT JOIN persons USING (person_key);
INSERT INTO beside
WITH named AS MATERIALIZED (
    SELECT user_key FROM returned_ids
    UNION
    SELECT anonymous_key FROM claims JOIN returned_ids USING (user_key) WHERE claimed_at < life_started_at
),
known AS MATERIALIZED (
    SELECT events.user_key FROM events LEFT JOIN returned_ids USING (user_key)
    WHERE events.user_key IN (SELECT user_key FROM named)
      AND is_of_earlier_life(is_visit, occurred_at, life_started_at, begins_after) IS NOT TRUE
    UNION
    SELECT user_key FROM candidates WHERE user_key IN (SELECT user_key FROM named)
    UNION
    SELECT user_key FROM list_members WHERE user_key IN (SELECT user_key FROM named)
)
FROM named WHERE user_key NOT IN (SELECT user_key FROM known);
SELECT EXISTS (FROM returned);

-- name: old_links
-- What the API said long ago of two ids of which nothing is known.
INSERT INTO bare_links
WITH old AS MATERIALIZED (SELECT rowid AS row_id, one_key, other_key FROM links WHERE said_at <= $last),
ids AS MATERIALIZED (SELECT one_key AS user_key FROM old UNION SELECT other_key FROM old),
known AS MATERIALIZED (
    SELECT user_key FROM events WHERE user_key IN (SELECT user_key FROM ids)
    UNION
    SELECT user_key FROM candidates WHERE user_key IN (SELECT user_key FROM ids)
    UNION
    SELECT user_key FROM list_members WHERE user_key IN (SELECT user_key FROM ids)
)
FROM old
WHERE one_key NOT IN (SELECT user_key FROM known) AND other_key NOT IN (SELECT user_key FROM known)
LIMIT $persons_max;
INSERT INTO beside SELECT one_key FROM bare_links UNION SELECT other_key FROM bare_links;
SELECT EXISTS (FROM bare_links);

-- name: contents
-- The oldest events that have content still, of a time up to which it goes.
INSERT INTO emptied
SELECT rowid, user_key, occurred_at FROM events
WHERE occurred_at <= $last
  AND (name IS NOT NULL OR page_url IS NOT NULL OR properties IS NOT NULL OR traits IS NOT NULL OR ip IS NOT NULL)
ORDER BY occurred_at LIMIT $events_max;
SELECT EXISTS (FROM emptied);

-- name: erased
-- All ids of the persons who go.
INSERT INTO erased
SELECT person_key FROM idle
UNION
SELECT user_key FROM persons WHERE person_key IN (SELECT person_key FROM idle);

-- name: values
SELECT coalesce(sum(0<< + (a{n} IS NOT NULL)::INTEGER>>), 0)::BIGINT
FROM candidates WHERE user_key IN (SELECT user_key FROM erased);

-- name: persons
SELECT (SELECT count(*) FROM idle), (SELECT count(*) FROM erased), (SELECT count(*) FROM returned);

-- name: forget_links
DELETE FROM links WHERE rowid IN (SELECT row_id FROM bare_links);

-- name: earlier_events
DELETE FROM events USING returned_ids
WHERE events.user_key = returned_ids.user_key
  AND is_of_earlier_life(is_visit, occurred_at, life_started_at, begins_after);

-- name: earlier_sessions
DELETE FROM sessions USING returned
WHERE sessions.person_key = returned.person_key AND started_at < life_started_at;

-- name: earlier_rest
-- Of claims those go, and are looked for anew, that an event of an earlier life may have made.
DELETE FROM property_events USING returned_ids
WHERE property_events.user_key = returned_ids.user_key
  AND is_of_earlier_life(is_visit, occurred_at, life_started_at, begins_after);
DELETE FROM open_sessions USING returned
WHERE open_sessions.person_key = returned.person_key AND started_at < life_started_at;
INSERT INTO relinked
SELECT unnest([anonymous_key, user_key]) FROM claims JOIN returned_ids USING (user_key)
WHERE claimed_at < life_started_at;
DELETE FROM claims USING returned_ids
WHERE claims.user_key = returned_ids.user_key AND claimed_at < life_started_at;
UPDATE users SET begins_after = NULL WHERE person_key IN (SELECT person_key FROM returned);

-- name: forget_contents
UPDATE events SET name = NULL, page_url = NULL, properties = NULL, traits = NULL, ip = NULL
WHERE rowid IN (SELECT row_id FROM emptied);
UPDATE state SET contentless_to = greatest(contentless_to, (SELECT max(occurred_at) FROM emptied));
INSERT INTO touched_persons
SELECT DISTINCT coalesce(persons.person_key, emptied.user_key), last_fold + 1
FROM emptied LEFT JOIN persons USING (user_key), state;
SELECT count(*) FROM emptied;

-- name: clock
SELECT clock_at, live_since FROM state;

-- name: begin_run
INSERT INTO main.retention_runs
SELECT (SELECT coalesce(max(number), 0) + 1 FROM main.retention_runs), $space, $as_of, $began_at, NULL,
       0, 0, 0, 0, 0, 0, 0, NULL
RETURNING number;

-- name: forget_runs
DELETE FROM main.retention_runs
WHERE space = $space AND number NOT IN (
    SELECT number FROM main.retention_runs WHERE space = $space ORDER BY number DESC LIMIT $runs_max);

-- name: note_run
UPDATE main.retention_runs SET
    users = users + $users, ids = ids + $ids, lives = lives + $lives, events = events + $events,
    sessions = sessions + $sessions, "values" = "values" + $values, contents = contents + $contents,
    ended_at = CASE WHEN $is_done THEN $now END,
    gone_at = CASE WHEN $users + $lives + $contents > 0 THEN NULL
                   WHEN $is_done AND users + lives + contents = 0 THEN $now ELSE gone_at END
WHERE number = $run AND space = $space AND ended_at IS NULL
RETURNING number, space, as_of, began_at, ended_at, users, ids, lives, events, sessions, "values", contents, gone_at;

-- name: as_of
SELECT as_of FROM main.retention_runs WHERE number = $run AND space = $space AND ended_at IS NULL;

-- name: runs
SELECT number, space, as_of, began_at, ended_at, users, ids, lives, events, sessions, "values", contents, gone_at
FROM main.retention_runs WHERE space = $space AND ($before::BIGINT IS NULL OR number < $before)
ORDER BY number DESC LIMIT $limit;

-- name: amount
-- How much goes of what `idle`, `erased` and `returned` name, and of how many events the content goes.
SELECT
    (SELECT count(*) FROM idle), (SELECT count(*) FROM erased), (SELECT count(*) FROM returned),
    (SELECT count(*) FROM events WHERE user_key IN (SELECT user_key FROM erased))
        + (SELECT count(*) FROM events JOIN returned_ids USING (user_key)
           WHERE is_of_earlier_life(is_visit, occurred_at, life_started_at, begins_after)),
    (SELECT count(*) FROM (SELECT person_key FROM sessions UNION ALL SELECT person_key FROM open_sessions)
     WHERE person_key IN (SELECT person_key FROM idle))
        + (SELECT count(*) FROM sessions JOIN returned USING (person_key) WHERE started_at < life_started_at),
    (SELECT coalesce(sum(0<< + (a{n} IS NOT NULL)::INTEGER>>), 0)::BIGINT
     FROM candidates WHERE user_key IN (SELECT user_key FROM erased)),
    (SELECT count(*) FROM events
     WHERE occurred_at <= $last AND user_key NOT IN (SELECT user_key FROM erased)
       AND NOT EXISTS (
           FROM returned_ids WHERE returned_ids.user_key = events.user_key
           AND is_of_earlier_life(events.is_visit, events.occurred_at, life_started_at, begins_after))
       AND (name IS NOT NULL OR page_url IS NOT NULL OR properties IS NOT NULL OR traits IS NOT NULL
            OR ip IS NOT NULL));

-- name: examples
SELECT id, is_anonymous, last_at
FROM (FROM idle ORDER BY last_at LIMIT $examples_max) AS longest
JOIN user_ids ON user_ids.user_key = longest.person_key
ORDER BY last_at, id;
