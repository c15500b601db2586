-- The feed: what is told of users, compared with what was told before.

-- name: state
SELECT feed_state.fold, feed_state.clock_at, followed, last_fold, touched_since, coalesce(state.clock_at, 0),
       (SELECT count(*) FROM touched_persons WHERE touched_persons.fold > feed_state.fold)
FROM feed_state, state;

-- name: advance
UPDATE feed_state SET fold = $fold, clock_at = $clock_at, followed = $followed;

-- name: swept
-- The persons of whom a relative time may have reached or left a value, as their parts.
INSERT INTO asked_ids
SELECT coalesce(persons.user_key, swept.person_key), swept.person_key
FROM (SELECT DISTINCT person_key FROM ({swept}) ANTI JOIN (SELECT DISTINCT person_key FROM asked_ids) AS asked
      USING (person_key)) AS swept
LEFT JOIN persons USING (person_key);

-- name: asked
-- What holds of those persons now.
SELECT *, {told} AS attributes FROM ({users}) WHERE person_key IN (SELECT person_key FROM asked_ids)

-- name: known
-- What was told of those persons, and of persons whose ids are theirs now.
SELECT person_key, segments, attributes FROM told
WHERE person_key IN (SELECT person_key FROM asked_ids UNION SELECT user_key FROM asked_ids);

-- name: fresh
CREATE OR REPLACE TEMP TABLE fresh_told AS FROM told LIMIT 0;
CREATE OR REPLACE TEMP TABLE fresh_feed AS
SELECT person_key, kind, subject, before, after FROM feed LIMIT 0;

-- name: store_asked
DELETE FROM told WHERE person_key IN (SELECT person_key FROM asked_ids UNION SELECT user_key FROM asked_ids);
INSERT INTO told FROM fresh_told;

-- name: members
-- The members of a segment.
INSERT INTO members_now SELECT {segment}, users.person_key FROM users WHERE total_sessions > 0 AND {condition};

-- name: known_members
-- The members of the segments that are not looked at anew, as they were told.
CREATE OR REPLACE TEMP TABLE members_before AS
SELECT unnest(segments) AS segment, person_key FROM told;
CREATE OR REPLACE TEMP TABLE members_now AS FROM members_before WHERE list_contains($kept::VARCHAR[], segment);

-- name: compare_members
-- Who entered and left segments of which it was told before.
INSERT INTO fresh_feed
SELECT person_key, 'entered', segment, NULL, NULL
FROM (FROM members_now EXCEPT FROM members_before) WHERE list_contains($told::VARCHAR[], segment)
UNION ALL
SELECT person_key, 'left', segment, NULL, NULL
FROM (FROM members_before EXCEPT FROM members_now) WHERE list_contains($told::VARCHAR[], segment);

-- name: attributes_now
CREATE OR REPLACE TEMP TABLE attributes_now AS
SELECT person_key, {told} AS attributes FROM ({users});

-- name: compare_attributes
INSERT INTO fresh_feed
WITH compared AS (
    SELECT person_key, unnest($told::VARCHAR[]) AS subject, told.attributes AS before, attributes_now.attributes AS after
    FROM told FULL JOIN attributes_now USING (person_key)
    WHERE told.attributes IS DISTINCT FROM attributes_now.attributes
),
parted AS (
    SELECT person_key, subject, json_extract(before, '/' || subject)::VARCHAR AS before,
           json_extract(after, '/' || subject)::VARCHAR AS after
    FROM compared
)
SELECT person_key, 'changed', subject, before, after FROM parted WHERE before IS DISTINCT FROM after;

-- name: store_all
CREATE OR REPLACE TEMP TABLE fresh_told AS
WITH joined AS (
    SELECT person_key, coalesce(segments, []) AS segments, coalesce(attributes, '{}') AS attributes
    FROM (SELECT person_key, list(segment ORDER BY segment) AS segments FROM members_now GROUP BY person_key)
    FULL JOIN attributes_now USING (person_key)
)
FROM joined WHERE len(segments) > 0 OR attributes <> '{}';
DELETE FROM told;
INSERT INTO told FROM fresh_told;

-- name: write
-- What is told gets its numbers: person by person, what became of attributes before what follows from it.
INSERT INTO feed
SELECT last_number + row_number() OVER (ORDER BY person_key, kind, subject), $clock_at, $written_at,
       person_key, kind, subject, before, after
FROM fresh_feed, feed_state;
UPDATE feed_state SET last_number = coalesce((SELECT max(number) FROM feed), last_number);

-- name: forget
-- What is too old.
UPDATE feed_state SET kept_from = greatest(
    kept_from, last_number - $rows_max + 1,
    coalesce((SELECT max(number) + 1 FROM feed WHERE written_at < $written_before), 1));
DELETE FROM feed WHERE number < (SELECT kept_from FROM feed_state);

-- name: page
SELECT number, noticed_at, kind, subject, before, after, user_ids.id AS user_id, user_ids.is_anonymous
FROM feed JOIN user_ids ON user_ids.user_key = feed.person_key
WHERE number > $after AND ($kinds::VARCHAR[] IS NULL OR list_contains($kinds, kind))
  AND ($subjects::VARCHAR[] IS NULL OR list_contains($subjects, subject))
ORDER BY number LIMIT $rows;

-- name: ends
-- The number from which on all rows are kept, and that of the last that was written.
SELECT kept_from, last_number FROM feed_state;
