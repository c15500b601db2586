-- User ids that differ only by case.

-- name: look_alikes
-- Ids are counted by a hash of their text in one case, which takes a tenth of the memory; only where two have
-- the same are the texts compared.
WITH hashes AS (
    SELECT hash(in_one_case(id)) AS hash FROM user_ids WHERE NOT is_anonymous
),
suspects AS MATERIALIZED (
    SELECT hash FROM hashes GROUP BY hash HAVING count(*) > 1
),
sizes AS MATERIALIZED (
    SELECT in_one_case(id) AS one_case, count(*) AS ids FROM user_ids
    WHERE NOT is_anonymous AND hash(in_one_case(id)) IN (SELECT hash FROM suspects)
    GROUP BY one_case HAVING count(*) > 1
),
greatest_sizes AS MATERIALIZED (
    SELECT one_case, ids, (SELECT count(*) FROM sizes) AS total_groups, (SELECT sum(ids) FROM sizes)::BIGINT AS total_ids
    FROM sizes ORDER BY ids DESC, one_case LIMIT $limit
)
SELECT any_value(total_groups), any_value(total_ids), any_value(ids), min(id, $ids_max),
       count(DISTINCT coalesce(person_key, user_ids.user_key)) = 1
FROM greatest_sizes
JOIN user_ids ON NOT is_anonymous AND in_one_case(id) = one_case
LEFT JOIN persons USING (user_key)
GROUP BY one_case
ORDER BY any_value(ids) DESC, one_case;
