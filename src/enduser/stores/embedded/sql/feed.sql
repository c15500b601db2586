-- The feed: what is told of users, compared with what was told before. {told} is the table of all persons, or
-- that of the persons who are asked about.

-- name: state
SELECT feed_state.fold, feed_state.clock_at, followed, last_fold, touched_since, coalesce(state.clock_at, 0),
       (SELECT count(*) FROM touched_persons WHERE touched_persons.fold > feed_state.fold)
FROM feed_state, state;

-- name: is_empty
SELECT NOT EXISTS (FROM feed);

-- name: advance
UPDATE feed_state SET fold = $fold, clock_at = $clock_at, followed = $followed;

-- name: swept
-- The persons of whom a relative time may have reached or left a value, as their parts.
INSERT INTO asked_ids
SELECT coalesce(persons.user_key, swept.person_key), swept.person_key
FROM (SELECT DISTINCT person_key FROM ({swept}) ANTI JOIN (SELECT DISTINCT person_key FROM asked_ids) AS asked
      USING (person_key)) AS swept
LEFT JOIN persons USING (person_key);

-- name: near
-- Whose value lies in one of many short spans. Numbers of pieces of time as long as a span are looked up; comparing each
-- value with the ends of each span takes four times as long, and without CASE the engine would do that first.
SELECT person_key
FROM (SELECT person_key, {value} AS value FROM users WHERE {value} // {width} IN (SELECT unnest({pieces}))) AS near
WHERE CASE WHEN value // {width} IS NOT NULL THEN {spans} END

-- name: asked_told
-- What was told of those persons, and of persons whose ids are theirs now; and how many persons they are.
CREATE OR REPLACE TEMP TABLE asked_told AS
FROM told WHERE person_key IN (SELECT person_key FROM asked_ids UNION SELECT user_key FROM asked_ids);
SELECT count(DISTINCT person_key) FROM asked_ids;

-- name: begin
-- What is found: who came into segments and went out of them, who is in which, and whose attributes are others.
CREATE OR REPLACE TEMP TABLE moved (person_key BIGINT, kind VARCHAR, segment VARCHAR);
CREATE OR REPLACE TEMP TABLE held (person_key BIGINT, segments VARCHAR[]);
CREATE OR REPLACE TEMP TABLE restated (person_key BIGINT, before VARCHAR, after VARCHAR);

-- name: judge
-- The members of a segment, by the engine.
INSERT INTO moved
SELECT person_key, CASE WHEN now.holds THEN 'entered' ELSE 'left' END, {segment}
FROM (SELECT users.person_key, true AS holds FROM users WHERE total_sessions > 0 AND {condition}) AS now
FULL JOIN (SELECT person_key, true AS held FROM told WHERE list_contains(segments, {segment})) AS before
    USING (person_key)
WHERE now.holds IS NULL OR before.held IS NULL

-- name: hold
-- In which of some segments the persons are who are asked about.
INSERT INTO held
SELECT person_key, list_filter([{held}], lambda segment: segment IS NOT NULL)
FROM {users} AS users WHERE total_sessions > 0

-- name: compare
-- Who of them came into segments and who went, of the segments that were judged.
INSERT INTO moved
WITH now AS (SELECT person_key, list_sort(flatten(list(segments))) AS segments FROM held GROUP BY person_key),
others AS (
    SELECT person_key, coalesce(now.segments, []) AS held,
           list_filter(coalesce(before.segments, []), lambda segment: list_contains($kept::VARCHAR[], segment)) AS was
    FROM now FULL JOIN asked_told AS before USING (person_key)
    WHERE now.segments IS DISTINCT FROM before.segments
)
SELECT person_key, 'entered', unnest(list_filter(held, lambda segment: NOT list_contains(was, segment))) FROM others
UNION ALL
SELECT person_key, 'left', unnest(list_filter(was, lambda segment: NOT list_contains(held, segment))) FROM others;

-- name: restate
-- Whose attributes are others, as far as they are followed.
INSERT INTO restated
SELECT person_key, coalesce(before.attributes, '{}') AS was, coalesce(now.attributes, '{}') AS is_now
FROM {told} AS before
FULL JOIN (SELECT person_key, {attributes} AS attributes FROM ({users})) AS now USING (person_key)
WHERE was <> is_now

-- name: found
-- What is told of that: of segments and attributes that were followed before. What is found of others is only
-- remembered.
CREATE OR REPLACE TEMP TABLE fresh_feed AS
WITH parted AS (
    SELECT person_key, subject, json_extract(before, '/' || subject)::VARCHAR AS before,
           json_extract(after, '/' || subject)::VARCHAR AS after
    FROM (SELECT *, unnest($attributes::VARCHAR[]) AS subject FROM restated)
)
SELECT person_key, kind, segment AS subject, NULL::VARCHAR AS before, NULL::VARCHAR AS after
FROM moved WHERE list_contains($segments::VARCHAR[], segment)
UNION ALL
SELECT person_key, 'changed', subject, before, after FROM parted WHERE before IS DISTINCT FROM after;
SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM restated), (SELECT count(*) FROM fresh_feed);

-- name: remember
-- What was found is what was told, of the persons whose keys lie in a range.
CREATE OR REPLACE TEMP TABLE fresh_told AS
WITH moves AS MATERIALIZED (FROM moved WHERE person_key BETWEEN $first AND $last),
entered AS (SELECT person_key, list(segment) AS segments FROM moves WHERE kind = 'entered' GROUP BY person_key),
gone AS (SELECT person_key, list(segment) AS segments FROM moves WHERE kind = 'left' GROUP BY person_key),
others AS (FROM restated WHERE person_key BETWEEN $first AND $last)
SELECT person_key,
       list_sort(list_concat(
           list_filter(coalesce(before.segments, []), lambda held: NOT list_contains(coalesce(gone.segments, []), held)),
           coalesce(entered.segments, []))) AS segments,
       coalesce(others.after, before.attributes, '{}') AS attributes
FROM (SELECT person_key FROM moves UNION SELECT person_key FROM others)
LEFT JOIN {told} AS before USING (person_key)
LEFT JOIN entered USING (person_key)
LEFT JOIN gone USING (person_key)
LEFT JOIN others USING (person_key);
DELETE FROM told WHERE person_key IN (SELECT person_key FROM fresh_told);
INSERT INTO told FROM fresh_told WHERE len(segments) > 0 OR attributes <> '{}';

-- name: unfollow
-- Of segments that are not followed any more nothing is remembered.
UPDATE told SET segments = list_filter(segments, lambda held: NOT list_contains($unfollowed::VARCHAR[], held))
WHERE list_has_any(segments, $unfollowed::VARCHAR[]);
DELETE FROM told WHERE len(segments) = 0 AND attributes = '{}';

-- name: write
-- What is told gets its numbers: person by person, what became of attributes before what follows from it.
INSERT INTO feed
SELECT last_number + row_number() OVER (ORDER BY person_key, kind, subject), $clock_at, $written_at,
       person_key, kind, subject, before, after
FROM fresh_feed, feed_state;
UPDATE feed_state SET last_number = last_number + $rows;

-- name: forget
-- What is too old, or too much.
UPDATE feed_state SET kept_from = greatest(
    kept_from, last_number - $rows_max + 1,
    coalesce((SELECT max(number) + 1 FROM feed WHERE written_at < $written_before), 1));
DELETE FROM feed WHERE number < (SELECT kept_from FROM feed_state);

-- name: rename
-- An attribute has another name: what was told of it is told of that.
UPDATE main.settings SET value = $setting WHERE space = $space AND name = 'feed_attributes';
UPDATE feed SET subject = $new_name WHERE kind = 'changed' AND subject = $name;
UPDATE told SET attributes = json_merge_patch(
    attributes, json_object($new_name, json_extract(attributes, '/' || $name)), json_object($name, NULL))::VARCHAR
WHERE json_exists(attributes, '/' || $name);
UPDATE feed_state SET followed = $followed;

-- name: forget_attribute
DELETE FROM feed WHERE kind = 'changed' AND subject = $name;

-- name: page
SELECT number, noticed_at, written_at, kind, subject, before, after, user_ids.id AS user_id, user_ids.is_anonymous
FROM (
    FROM feed
    WHERE number > $after AND (len($kinds::VARCHAR[]) = 0 OR list_contains($kinds, kind))
      AND ((len($segments::VARCHAR[]) = 0 AND len($attributes::VARCHAR[]) = 0)
           OR list_contains(CASE WHEN kind = 'changed' THEN $attributes ELSE $segments END, subject))
    ORDER BY number LIMIT $rows
) AS asked
JOIN user_ids ON user_ids.user_key = asked.person_key
ORDER BY number;

-- name: ends
-- The number from which on all rows are kept, and that of the last that was written.
SELECT kept_from, last_number FROM feed_state;
