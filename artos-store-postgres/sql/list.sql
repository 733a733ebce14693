-- Lists the tasks that another statement finds, in the order of their ids.
--
-- What matches is found first, which an index can answer alone, and its rows are read then. In one
-- step, the planner takes those that match to be spread evenly among all tasks, and goes through all
-- of them in their order; where they lie together at the other end, that reads the whole table.
SELECT {record}
FROM (
{ids}
) AS found
INNER JOIN {schema}.tasks AS t ON t.id = found.id
ORDER BY t.id {direction}
