-- Lists up to $6 tasks in the order of their ids, after $7.
--
-- What matches is found first, which an index can answer alone, and its rows are read then. In one
-- step, the planner takes those that match to be spread evenly among all tasks, and goes through all
-- of them in their order; where they lie together at the other end, that reads the whole table.
SELECT {record}
FROM (
    SELECT t.id
    FROM {schema}.tasks AS t
    WHERE {matching}
        AND ($7::uuid IS NULL OR t.id {after} $7)
    ORDER BY t.id {direction}
    LIMIT $6
) AS found
INNER JOIN {schema}.tasks AS t ON t.id = found.id
ORDER BY t.id {direction}
