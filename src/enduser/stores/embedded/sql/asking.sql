-- What rules need to know of a space.

-- name: moment
SELECT clock_at, (SELECT list(source ORDER BY position) FROM sources) FROM state;
