-- Live clocks, and how far the spool is applied.

-- name: follow_clock
-- A live clock is the server's, as far as everything accepted until then is applied. It never goes back.
UPDATE state SET clock_at = greatest(clock_at, $clock_at) WHERE live_since IS NOT NULL;

-- name: close_history
UPDATE state SET clock_at = greatest(clock_at, greatest_event_at + $window) WHERE live_since IS NULL;

-- name: is_due
-- Whether an open session is over at this time, or the clock was not written down for long.
SELECT coalesce(bool_or(
    live_since IS NOT NULL AND $clock_at > coalesce(clock_at, 0) AND (
        $clock_at >= coalesce(clock_at, 0) + $step
        OR EXISTS (FROM open_sessions
                   WHERE $clock_at >= ended_at + CASE WHEN is_cut_off THEN 0 ELSE $window END))), false)
FROM state;

-- name: store_positions
DELETE FROM main.spool_positions;
INSERT INTO main.spool_positions
SELECT unnest($series::BIGINT[]), unnest($segments::BIGINT[]), unnest($bytes::BIGINT[]);
