-- What happened to users, for conditions of rules: rows of (person_key, happened_at). In braces stand the
-- conditions that `conditions.py` writes, and the tables that are looked at. Where several things are looked for at
-- once, {numbers} are those that a row is.

-- name: sessions
-- Closed sessions of the current life, by their start.
SELECT visits.person_key, visits.started_at AS happened_at, {numbers} AS numbers
FROM {sessions} AS visits
ANTI JOIN (SELECT person_key, life_started_at FROM {users} WHERE begins_after IS NOT NULL) AS returned
    ON returned.person_key = visits.person_key AND visits.started_at < returned.life_started_at
WHERE {window} AND {rules}

-- name: events
-- Events of closed sessions of the current life, and those of the life that make no session. Only a few users
-- can have others: who came back after a life, or was not seen for as long as a life keeps.
SELECT said.person_key, said.happened_at, said.numbers
FROM (
    SELECT coalesce(persons.person_key, happened.user_key) AS person_key, happened.is_visit, happened.happened_at,
           happened.numbers
    FROM (SELECT happened.user_key, happened.is_visit, happened.occurred_at AS happened_at, {numbers} AS numbers
          FROM {events} AS happened WHERE {window} AND {named} AND {rules}) AS happened
    LEFT JOIN persons USING (user_key)
) AS said
ANTI JOIN (
    SELECT person_key, life_started_at, last_visit_at, begins_after FROM {users}
    WHERE begins_after IS NOT NULL
       OR last_visit_at < (SELECT greatest_event_at FROM state) - $months * 2419200000000) AS lives
    ON lives.person_key = said.person_key
   AND CASE WHEN said.is_visit THEN said.happened_at < lives.life_started_at
            ELSE said.happened_at <= coalesce(lives.begins_after, -9223372036854775808)
                 OR said.happened_at > life_end(lives.last_visit_at, $months) END
ANTI JOIN {open_sessions} AS open_sessions
    ON open_sessions.person_key = said.person_key AND said.is_visit
   AND said.happened_at BETWEEN open_sessions.started_at AND open_sessions.ended_at

-- name: changes
-- Changes of an attribute, by what held at each time at which something was said: one of the two below.
WITH spoken AS NOT MATERIALIZED (
    SELECT coalesce(persons.person_key, candidates.user_key) AS person_key, candidates.user_key, source, run,
           row, effective_at, a{n} AS value
    FROM {candidates} AS candidates LEFT JOIN persons USING (user_key)
    WHERE a{n} IS NOT NULL OR is_cleared(cleared, {n})
),
lately AS MATERIALIZED (SELECT DISTINCT person_key FROM spoken WHERE {window} AND {became}),
said AS (
    SELECT spoken.*, position, sources.name = 'sdk' AS is_sdk
    FROM spoken JOIN {sources} AS sources USING (source)
    WHERE user_key IN (SELECT coalesce(user_key, person_key) FROM lately LEFT JOIN persons USING (person_key))
),
held AS ({held}),
followed AS (
    SELECT person_key, effective_at, value, lag(value) OVER (PARTITION BY person_key ORDER BY effective_at) AS before
    FROM held
)
SELECT person_key, effective_at AS happened_at FROM followed
WHERE value IS DISTINCT FROM before AND {window} AND {before} AND {after}

-- name: held_latest
-- The latest of each time. What an SDK said unsigned holds until another source says something.
SELECT person_key, effective_at, value
FROM (FROM said
      QUALIFY NOT is_sdk OR effective_at < coalesce(
          min(effective_at) FILTER (NOT is_sdk) OVER (PARTITION BY person_key), 9223372036854775807))
QUALIFY row_number() OVER (
    PARTITION BY person_key, effective_at ORDER BY is_sdk, position, run DESC, row DESC) = 1

-- name: held_by_order
-- Of each time the latest of the first source that has a value.
SELECT person_key, effective_at, value FROM (
    SELECT person_key, effective_at, run, row, coalesce(NULL<<, arg_max({'value': value}, (effective_at, run, row))
            FILTER (source = {source}) OVER (PARTITION BY person_key ORDER BY effective_at).value>>) AS value
    FROM said)
QUALIFY row_number() OVER (PARTITION BY person_key, effective_at) = 1

-- name: in_list
SELECT coalesce(persons.person_key, list_members.user_key) AS person_key, added_at AS happened_at
FROM {list_members} AS list_members LEFT JOIN persons USING (user_key)
WHERE list IN (SELECT list FROM lists WHERE {which})
