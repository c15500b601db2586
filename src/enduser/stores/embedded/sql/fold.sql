-- From events to sessions to End User Objects, by the batch (docs/decisions/0003-fold-by-delta.md).
-- $window and $cap are microseconds, $months the retention, $clock the space's clock. Large work is
-- done in $parts parts by person, so that memory is bounded by a part.

-- name: state
SELECT clock_at, folded_batch,
    EXISTS (FROM filled_events) OR EXISTS (
        FROM open_sessions
        WHERE state.clock_at >= ended_at + CASE WHEN is_cut_off THEN 0 ELSE $window END) AS is_due
FROM state;

-- name: waiting
SELECT count(*) FROM events WHERE batch > $folded;

-- name: waiting_again
-- Events that were folded before, of persons that are made anew.
SELECT count(*) FROM events WHERE batch <= $folded AND user_key IN (SELECT user_key FROM remade);

-- name: persons
SELECT count(*) FROM persons;

-- name: every_member
CREATE OR REPLACE TEMP TABLE members AS FROM persons;

-- name: members
-- The ids of the persons of several whom this fold may touch.
CREATE OR REPLACE TEMP TABLE members AS
WITH working AS MATERIALIZED (
    SELECT user_key FROM events WHERE batch > $folded
    UNION
    SELECT user_key FROM filled_events
    UNION
    SELECT user_key FROM remade
    UNION
    SELECT person_key FROM open_sessions
    WHERE $clock >= ended_at + CASE WHEN is_cut_off THEN 0 ELSE $window END
)
FROM persons
WHERE person_key IN (
    SELECT person_key FROM persons WHERE user_key IN (SELECT user_key FROM working));

-- name: pending
-- Visit events not yet folded, already merged where they lie in the same span of clock time as long as
-- the window: each row is a small stretch. Of persons that are made anew all events are pending.
CREATE OR REPLACE TEMP TABLE pending AS
WITH waiting AS (
    SELECT user_key, occurred_at, is_page_view, is_act, place_id, browser_id FROM events
    WHERE is_visit AND batch > $folded
    UNION ALL
    SELECT user_key, occurred_at, is_page_view, is_act, place_id, browser_id FROM events
    WHERE is_visit AND batch <= $folded AND user_key IN (SELECT user_key FROM remade)
),
visits AS (
    SELECT coalesce(members.person_key, waiting.user_key) AS person_key,
           occurred_at, is_page_view, is_act, place_id, browser_id,
           (occurred_at + 62135596800000000) // $window AS span,
           (occurred_at + 62135596800000000) % $window AS span_us
    FROM waiting LEFT JOIN members USING (user_key)
    WHERE coalesce(members.person_key, waiting.user_key) & ($parts - 1) = $part
),
spans AS (
    SELECT
        person_key, span,
        span * $window - 62135596800000000 AS span_at,
        min(occurred_at) AS started_at,
        max(occurred_at) AS ended_at,
        count(*) AS events,
        count_if(is_page_view) AS page_views,
        count_if(is_act) AS acts,
        max(last_word(span_us, place_id)) AS place_word,
        max(last_inverse(span_us, place_id)) AS place_inverse,
        max(last_word(span_us, browser_id)) AS browser_word,
        max(last_inverse(span_us, browser_id)) AS browser_inverse
    FROM visits
    GROUP BY person_key, span
)
SELECT
    person_key, span, started_at, ended_at, events, page_views, acts,
    span_at + word_us(place_word) AS place_at, word_id(place_word) AS place_id,
    span_at + word_us(browser_word) AS browser_at, word_id(browser_word) AS browser_id,
    is_tied(place_word, place_inverse) OR is_tied(browser_word, browser_inverse) AS is_tied
FROM spans;

-- name: filled
CREATE OR REPLACE TEMP TABLE filled AS
SELECT coalesce(members.person_key, filled_events.user_key) AS person_key, occurred_at
FROM filled_events LEFT JOIN members USING (user_key)
WHERE coalesce(members.person_key, filled_events.user_key) & ($parts - 1) = $part;

-- name: touched
-- Times at which something happened that the sessions do not contain yet.
CREATE OR REPLACE TEMP TABLE touched AS
SELECT person_key, started_at, ended_at FROM pending
UNION ALL
SELECT person_key, occurred_at, occurred_at FROM filled;

-- name: touched_span
-- Literal bounds let a read of a long table skip most of it. Persons that are made anew have nothing there.
SELECT coalesce(min(started_at), 0), coalesce(max(ended_at), 0) FROM touched
WHERE person_key NOT IN (SELECT user_key FROM remade);

-- name: near
-- The stored sessions that a pending stretch could lengthen, bridge or lie in, or whose event was filled.
CREATE OR REPLACE TEMP TABLE near AS
WITH stored AS MATERIALIZED (
    SELECT rowid AS row_id, true AS is_closed, * FROM sessions
    WHERE ended_at > $touched_from - $window AND started_at < $touched_to + $window
      AND person_key IN (SELECT person_key FROM touched)
    UNION ALL
    SELECT rowid, false, * FROM open_sessions
)
FROM stored
SEMI JOIN touched
    ON touched.person_key = stored.person_key
   AND stored.started_at - touched.ended_at < $window
   AND touched.started_at - stored.ended_at < $window;

-- name: crowded
-- The pending parts that may have something within the window: a part in the next span or the one
-- before, or a stored session. Most have not, and need no sorting.
CREATE OR REPLACE TEMP TABLE crowded AS
WITH followed AS MATERIALIZED (
    SELECT person_key, span FROM pending
    SEMI JOIN (SELECT person_key, span - 1 AS span FROM pending) AS following USING (person_key, span)
)
FROM followed
UNION ALL
SELECT person_key, span + 1 FROM followed
UNION ALL
SELECT person_key, span FROM pending SEMI JOIN near USING (person_key);

-- name: merged
-- Stretches closer than the window become one: start = min, end = max, counts add.
CREATE OR REPLACE TEMP TABLE merged AS
WITH parts AS (
    SELECT * EXCLUDE (span), 0 AS pieces, 0 AS cut_offs, false AS continues
    FROM pending SEMI JOIN crowded USING (person_key, span)
    UNION ALL
    SELECT person_key, started_at, ended_at, events, page_views, acts,
           place_at, place_id, browser_at, browser_id, false,
           (continues OR is_cut_off)::INTEGER, is_cut_off::INTEGER, continues
    FROM near
),
begun AS (
    SELECT *, CASE WHEN started_at - max(ended_at) OVER earlier < $window THEN NULL ELSE started_at END
        AS begun_at
    FROM parts
    WINDOW earlier AS (
        PARTITION BY person_key ORDER BY started_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
numbered AS (
    -- RANGE, not ROWS: parts that start at the same microsecond belong to the same stretch.
    SELECT *, max(begun_at) OVER (PARTITION BY person_key ORDER BY started_at RANGE UNBOUNDED PRECEDING)
        AS stretch_at
    FROM begun
),
joined AS (
    SELECT
        person_key,
        stretch_at AS started_at,
        max(ended_at) AS ended_at,
        sum(events)::BIGINT AS events,
        sum(page_views)::BIGINT AS page_views,
        sum(acts)::BIGINT AS acts,
        max(last_word(since_year_1(place_at), place_id)) AS place_word,
        max(last_inverse(since_year_1(place_at), place_id)) AS place_inverse,
        max(last_word(since_year_1(browser_at), browser_id)) AS browser_word,
        max(last_inverse(since_year_1(browser_at), browser_id)) AS browser_inverse,
        bool_or(is_tied) AS is_tied,
        sum(pieces) AS pieces,
        sum(cut_offs) AS cut_offs,
        bool_or(continues AND started_at = stretch_at) AS continues
    FROM numbered
    GROUP BY person_key, stretch_at
)
SELECT
    person_key, started_at, ended_at, events, page_views, acts,
    word_at(place_word) AS place_at, word_id(place_word) AS place_id,
    word_at(browser_word) AS browser_at, word_id(browser_word) AS browser_id,
    is_tied OR is_tied(place_word, place_inverse) OR is_tied(browser_word, browser_inverse) AS is_tied,
    pieces, cut_offs, continues
FROM joined
UNION ALL
SELECT * EXCLUDE (span), 0, 0, false FROM pending ANTI JOIN crowded USING (person_key, span);

-- name: exact
-- The few stretches that sums cannot answer, so that their events must be read: cut by the cap, two
-- values at the same microsecond, or an event filled since. The last piece of a cut stretch may grow
-- like any session while it stays below the cap.
CREATE OR REPLACE TEMP TABLE exact AS
WITH judged AS (
    SELECT person_key, started_at, ended_at, events, continues,
           (pieces > 0 AND NOT (pieces = 1 AND cut_offs = 0 AND continues))
               OR ($cap > 0 AND ended_at - started_at >= $cap) AS is_capped,
           pieces = 0 AS is_whole,
           is_tied
    FROM merged
)
FROM judged WHERE is_capped OR is_tied
UNION
FROM judged
SEMI JOIN filled
    ON filled.person_key = judged.person_key
   AND filled.occurred_at >= judged.started_at
   AND filled.occurred_at <= judged.ended_at;

-- name: fresh
-- The sessions as they become, but for the exact ones.
CREATE OR REPLACE TEMP TABLE fresh AS
SELECT
    person_key, started_at, ended_at, events, page_views, acts,
    place_at, place_id, browser_at, browser_id,
    continues, false AS is_cut_off
FROM merged ANTI JOIN exact USING (person_key, started_at);

-- name: replaced
-- Every stored session that a fresh one takes the place of, and open ones that the clock now closes.
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT row_id, is_closed, person_key, started_at, ended_at FROM near
UNION
SELECT sessions.rowid, true, sessions.person_key, sessions.started_at, sessions.ended_at
FROM sessions JOIN recut ON sessions.person_key = recut.person_key
    AND sessions.started_at >= recut.started_at AND sessions.started_at < recut.until_at
WHERE sessions.started_at BETWEEN $recut_from AND $recut_to
UNION
SELECT open_sessions.rowid, false, open_sessions.person_key, open_sessions.started_at, open_sessions.ended_at
FROM open_sessions JOIN recut ON open_sessions.person_key = recut.person_key
    AND open_sessions.started_at >= recut.started_at AND open_sessions.started_at < recut.until_at;

-- name: closing
-- Open sessions that nothing touched and that the clock has now passed.
INSERT INTO fresh
SELECT open_sessions.* FROM open_sessions
ANTI JOIN replaced ON NOT replaced.is_closed AND replaced.row_id = open_sessions.rowid
WHERE person_key & ($parts - 1) = $part
  AND $clock >= ended_at + CASE WHEN is_cut_off THEN 0 ELSE $window END;
INSERT INTO replaced
SELECT rowid, false, person_key, started_at, ended_at FROM open_sessions
WHERE person_key & ($parts - 1) = $part
  AND $clock >= ended_at + CASE WHEN is_cut_off THEN 0 ELSE $window END
  AND rowid NOT IN (SELECT row_id FROM replaced WHERE NOT is_closed);

-- name: store_sessions
DELETE FROM sessions WHERE rowid IN (SELECT row_id FROM replaced WHERE is_closed);
DELETE FROM open_sessions WHERE rowid IN (SELECT row_id FROM replaced WHERE NOT is_closed);
INSERT INTO sessions FROM fresh
WHERE $clock >= ended_at + CASE WHEN is_cut_off THEN 0 ELSE $window END;
INSERT INTO open_sessions FROM fresh
WHERE $clock < ended_at + CASE WHEN is_cut_off THEN 0 ELSE $window END;

-- name: changes
-- Per person what the sessions of this batch add to the object, less what they were before.
CREATE OR REPLACE TEMP TABLE changes AS
WITH became AS (
    SELECT
        person_key,
        count_if(is_closed) AS sessions,
        coalesce(sum(ended_at - started_at) FILTER (is_closed), 0)::BIGINT AS duration_us,
        min(started_at) AS first_at,
        max(started_at) AS last_started_at,
        max(ended_at) AS last_at,
        min(started_at) FILTER (NOT is_closed) AS open_at,
        min(started_at) FILTER (is_closed) AS first_seen,
        max(ended_at) FILTER (is_closed) AS last_seen,
        max(place_at) FILTER (is_closed) AS place_at,
        arg_max(place_id, place_at) FILTER (is_closed) AS place_id,
        max(browser_at) FILTER (is_closed) AS browser_at,
        arg_max(browser_id, browser_at) FILTER (is_closed) AS browser_id
    FROM (SELECT *, $clock >= ended_at + CASE WHEN is_cut_off THEN 0 ELSE $window END AS is_closed
          FROM fresh)
    GROUP BY person_key
),
was AS (
    SELECT person_key, count(*) AS sessions, sum(ended_at - started_at)::BIGINT AS duration_us,
           max(ended_at) AS last_at
    FROM replaced WHERE is_closed
    GROUP BY person_key
)
SELECT
    became.* EXCLUDE (sessions, duration_us),
    became.sessions - coalesce(was.sessions, 0) AS sessions,
    became.duration_us - coalesce(was.duration_us, 0) AS duration_us,
    coalesce(open_at <= was.last_at, false) AS is_reopened
FROM became LEFT JOIN was USING (person_key);

-- name: known
-- The stored objects of the changed persons, and of those of whom only a non-visit event spoke.
CREATE OR REPLACE TEMP TABLE known AS
SELECT rowid AS row_id, * FROM users
WHERE person_key IN (
    SELECT person_key FROM changes
    UNION ALL
    SELECT coalesce(members.person_key, events.user_key) FROM events LEFT JOIN members USING (user_key)
    WHERE batch > $folded AND NOT is_visit AND traits IS NOT NULL
      AND coalesce(members.person_key, events.user_key) & ($parts - 1) = $part);

-- name: refolded
-- Persons whose object a sum cannot follow: a session was opened again, or a life begins, ends or
-- grows at its start. They are folded anew from all their sessions.
CREATE OR REPLACE TEMP TABLE refolded AS
SELECT changes.person_key
FROM changes LEFT JOIN known USING (person_key)
WHERE is_reopened
   OR (known.life_started_at IS NULL AND last_started_at > life_end(first_at, $months))
   OR last_started_at > life_end(last_visit_at, $months)
   OR (first_at < life_started_at
       AND (begins_after IS NOT NULL OR life_started_at > life_end(first_at, $months)));

-- name: folded
-- The objects as they become: known + change for most.
CREATE OR REPLACE TEMP TABLE folded AS
SELECT
    changes.person_key,
    coalesce(known.total_sessions, 0) + changes.sessions AS total_sessions,
    least(known.first_seen, changes.first_seen) AS first_seen,
    greatest(known.last_seen, changes.last_seen) AS last_seen,
    coalesce(known.duration_us, 0) + changes.duration_us AS duration_us,
    greatest(known.place_at, changes.place_at) AS place_at,
    CASE WHEN coalesce(changes.place_at >= known.place_at, known.place_at IS NULL)
         THEN changes.place_id ELSE known.place_id END AS place_id,
    greatest(known.browser_at, changes.browser_at) AS browser_at,
    CASE WHEN coalesce(changes.browser_at >= known.browser_at, known.browser_at IS NULL)
         THEN changes.browser_id ELSE known.browser_id END AS browser_id,
    least(known.life_started_at, changes.first_at) AS life_started_at,
    greatest(known.last_visit_at, changes.last_at) AS last_visit_at,
    known.begins_after
FROM changes LEFT JOIN known USING (person_key)
WHERE changes.person_key NOT IN (SELECT person_key FROM refolded);

-- name: refold
-- The object of the last life, from all sessions of a person.
INSERT INTO folded
WITH visits AS (
    SELECT *, true AS is_closed FROM sessions SEMI JOIN refolded USING (person_key)
    UNION ALL
    SELECT *, false FROM open_sessions SEMI JOIN refolded USING (person_key)
),
followed AS (
    SELECT *, life_end(lag(ended_at) OVER (PARTITION BY person_key ORDER BY started_at), $months)
        AS allowed_until
    FROM visits
),
lives AS (
    SELECT person_key, max(started_at) AS life_started_at, arg_max(allowed_until, started_at) AS begins_after
    FROM followed
    WHERE started_at > coalesce(allowed_until, -9223372036854775808)
    GROUP BY person_key
)
SELECT
    visits.person_key,
    count_if(is_closed),
    min(started_at) FILTER (is_closed),
    max(ended_at) FILTER (is_closed),
    coalesce(sum(ended_at - started_at) FILTER (is_closed), 0)::BIGINT,
    max(place_at) FILTER (is_closed),
    arg_max(place_id, place_at) FILTER (is_closed),
    max(browser_at) FILTER (is_closed),
    arg_max(browser_id, browser_at) FILTER (is_closed),
    any_value(life_started_at),
    max(ended_at),
    any_value(begins_after)
FROM visits JOIN lives USING (person_key)
WHERE started_at >= life_started_at
GROUP BY visits.person_key;

-- name: spoke
-- The objects that only a non-visit event changes stay as they are, but for the properties.
INSERT INTO folded
SELECT person_key, total_sessions, first_seen, last_seen, duration_us, place_at, place_id, browser_at, browser_id,
       life_started_at, last_visit_at, begins_after
FROM known ANTI JOIN folded USING (person_key);

-- name: properties
-- The most recent value of each analytics property by event time, message id, id: of visit events in
-- closed sessions and of non-visit events, both of the current life.
CREATE OR REPLACE TEMP TABLE said AS
WITH owners AS (
    SELECT coalesce(user_key, person_key) AS user_key, id_order,
           person_key, life_started_at, last_visit_at, begins_after
    FROM folded LEFT JOIN members USING (person_key)
),
heard AS (
    SELECT property_events.*, person_key, id_order, life_started_at, last_visit_at, begins_after
    FROM property_events JOIN owners USING (user_key)
),
valid AS (
    SELECT * FROM heard
    WHERE CASE WHEN is_visit
        THEN occurred_at >= life_started_at AND NOT EXISTS (
            FROM open_sessions WHERE open_sessions.person_key = heard.person_key
            AND heard.occurred_at BETWEEN open_sessions.started_at AND open_sessions.ended_at)
        ELSE occurred_at > coalesce(begins_after, -9223372036854775808)
             AND occurred_at <= life_end(last_visit_at, $months)
    END
),
latest AS (
    SELECT person_key, property, value FROM valid
    QUALIFY row_number() OVER (
        PARTITION BY person_key, property ORDER BY occurred_at DESC, message_id DESC, id_order DESC) = 1
)
SELECT
    person_key,
    any_value(value) FILTER (property = 'name') AS name,
    any_value(value) FILTER (property = 'role') AS role,
    any_value(value) FILTER (property = 'type') AS type,
    any_value(value) FILTER (property = 'status') AS status,
    any_value(value) FILTER (property = 'info') AS info
FROM latest
GROUP BY person_key;

-- name: store_users
-- Values of custom attributes stay as they are.
DELETE FROM users WHERE rowid IN (SELECT row_id FROM known);
INSERT INTO users BY NAME
WITH new_persons AS (
    SELECT user_key AS person_key, is_anonymous AS is_new_anonymous FROM user_ids
    WHERE user_key IN (SELECT person_key FROM folded ANTI JOIN known USING (person_key))
)
SELECT folded.*, said.* EXCLUDE (person_key),
       known.* EXCLUDE (row_id, person_key, total_sessions, first_seen, last_seen, duration_us, place_at, place_id,
                        browser_at, browser_id, life_started_at, last_visit_at, begins_after,
                        name, role, type, status, info, is_anonymous),
       coalesce(known.is_anonymous, is_new_anonymous) AS is_anonymous
FROM folded LEFT JOIN said USING (person_key) LEFT JOIN known USING (person_key)
LEFT JOIN new_persons USING (person_key);

-- name: changed_objects
CREATE OR REPLACE TEMP TABLE changed_objects AS
SELECT folded.person_key
FROM folded LEFT JOIN said USING (person_key) LEFT JOIN known USING (person_key)
WHERE (folded.total_sessions > 0 OR known.total_sessions > 0)
  AND (folded.total_sessions, folded.first_seen, folded.last_seen, folded.duration_us, folded.place_id,
       folded.browser_id, said.name, said.role, said.type, said.status, said.info)
      IS DISTINCT FROM
      (known.total_sessions, known.first_seen, known.last_seen, known.duration_us, known.place_id,
       known.browser_id, known.name, known.role, known.type, known.status, known.info);

-- name: touch
-- Whose object is another now, or what rules can ask of him: closed sessions, and events that make none. Open
-- sessions alone change nothing, but that a life goes on to which such an event belongs then.
INSERT INTO touched_persons
SELECT person_key, last_fold + 1
FROM state, (
    SELECT person_key FROM fresh
    WHERE $clock >= ended_at + CASE WHEN is_cut_off THEN 0 ELSE $window END
    UNION
    SELECT person_key FROM replaced WHERE is_closed
    UNION
    SELECT coalesce(members.person_key, events.user_key) FROM events LEFT JOIN members USING (user_key)
    WHERE batch > $folded AND NOT is_visit AND coalesce(members.person_key, events.user_key) & ($parts - 1) = $part
    UNION
    SELECT person_key FROM folded JOIN known USING (person_key)
    WHERE folded.last_visit_at > known.last_visit_at AND $clock > life_end(known.last_visit_at, $months)
    UNION
    FROM changed_objects);

-- name: finish
UPDATE state SET folded_batch = last_batch;
DELETE FROM filled_events;

-- name: number
-- What changed gets its number. Of too many the newest are remembered: a copy that follows needs no more than
-- those of the last fold.
UPDATE state SET last_fold = last_fold + 1;
UPDATE state SET touched_since = (
    SELECT max(fold) FROM (
        SELECT fold, sum(count(*)) OVER (ORDER BY fold DESC) AS so_far FROM touched_persons GROUP BY fold)
    WHERE so_far > $touched_max)
WHERE (SELECT count(*) FROM touched_persons) > $touched_max;
DELETE FROM touched_persons WHERE fold <= (SELECT touched_since FROM state);
