-- Sessions counted from their events: the steps of `capped.ExactFold`.

-- name: exact_tables
-- Pieces to be counted from events (`ended_at` is the last instant that belongs to one), and the spans
-- in which stored sessions are replaced.
CREATE OR REPLACE TEMP TABLE pieces (
    person_key BIGINT, started_at BIGINT, ended_at BIGINT, continues BOOLEAN, is_cut_off BOOLEAN);
CREATE OR REPLACE TEMP TABLE recut (person_key BIGINT, started_at BIGINT, until_at BIGINT);

-- name: capped
SELECT person_key, started_at, ended_at, events, continues, is_whole FROM exact
WHERE is_capped ORDER BY person_key, started_at;

-- name: cutting
CREATE OR REPLACE TEMP TABLE cutting AS
SELECT unnest($keys::BIGINT[]) AS person_key, unnest($starts::BIGINT[]) AS started_at,
       unnest($horizons::BIGINT[]) AS horizon;

-- name: cut_events
-- Times of the visit events of capped stretches, sorted, as far as each `horizon` reaches.
SELECT cutting.person_key, cutting.started_at,
       list(DISTINCT events.occurred_at ORDER BY events.occurred_at)
FROM events JOIN (SELECT *, coalesce(user_key, person_key) AS own_key
                  FROM cutting LEFT JOIN members USING (person_key)) AS cutting
    ON events.user_key = cutting.own_key
   AND events.occurred_at BETWEEN cutting.started_at AND cutting.horizon
WHERE events.is_visit AND events.occurred_at BETWEEN $cut_from AND $cut_to
GROUP BY cutting.person_key, cutting.started_at;

-- name: old_pieces
-- Pieces of capped stretches beyond the near ones, for the cut to meet them again.
SELECT cutting.person_key, cutting.started_at, list(stored.started_at)
FROM (SELECT person_key, started_at FROM sessions
      WHERE continues AND started_at BETWEEN $cut_from AND $cut_to
      UNION ALL SELECT person_key, started_at FROM open_sessions WHERE continues) AS stored
JOIN cutting ON stored.person_key = cutting.person_key
    AND stored.started_at BETWEEN cutting.started_at AND cutting.horizon
GROUP BY cutting.person_key, cutting.started_at;

-- name: store_pieces
INSERT INTO pieces SELECT unnest($c0::BIGINT[]), unnest($c1::BIGINT[]), unnest($c2::BIGINT[]),
                          unnest($c3::BOOLEAN[]), unnest($c4::BOOLEAN[]);

-- name: store_recuts
INSERT INTO recut SELECT unnest($c0::BIGINT[]), unnest($c1::BIGINT[]), unnest($c2::BIGINT[]);

-- name: uncovered
-- What stands by itself: a new cut that ran on over a stretch has read the events of that one too.
DELETE FROM fresh USING recut
WHERE fresh.person_key = recut.person_key
  AND fresh.started_at >= recut.started_at AND fresh.started_at < recut.until_at;
INSERT INTO pieces
SELECT person_key, started_at, ended_at, continues, false FROM exact
ANTI JOIN recut ON exact.person_key = recut.person_key
    AND exact.started_at >= recut.started_at AND exact.started_at < recut.until_at
WHERE NOT is_capped;

-- name: pieces_span
SELECT coalesce(min(started_at), 0), coalesce(max(ended_at), 0) FROM pieces;

-- name: pieces_fold
-- Sessions counted from their events: the exact order of last values is event time, message id, id.
INSERT INTO fresh
WITH inside AS (
    SELECT pieces.person_key, pieces.started_at, pieces.continues, pieces.is_cut_off,
           events.occurred_at, events.is_page_view, events.is_act, events.place_id, events.browser_id,
           (events.occurred_at, message_text(events.message_id, events.message_key), coalesce(id_order, 0))
               AS event_order
    FROM events JOIN (SELECT *, coalesce(user_key, person_key) AS own_key
                      FROM pieces LEFT JOIN members USING (person_key)) AS pieces
        ON events.user_key = pieces.own_key
       AND events.occurred_at BETWEEN pieces.started_at AND pieces.ended_at
    WHERE events.is_visit AND events.occurred_at BETWEEN $pieces_from AND $pieces_to
)
SELECT
    person_key, started_at, max(occurred_at), count(*), count_if(is_page_view), count_if(is_act),
    max(occurred_at) FILTER (place_id IS NOT NULL),
    arg_max(place_id, event_order) FILTER (place_id IS NOT NULL),
    max(occurred_at) FILTER (browser_id IS NOT NULL),
    arg_max(browser_id, event_order) FILTER (browser_id IS NOT NULL),
    any_value(continues), any_value(is_cut_off)
FROM inside
GROUP BY person_key, started_at;

-- name: recut_span
SELECT coalesce(min(started_at), 0), coalesce(max(until_at), 0) FROM recut;
