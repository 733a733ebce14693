-- Counts the tasks of queue $2 by state, of the states $1 if there are any: each from an index that
-- has what it takes, but for those that run, which are few.
SELECT 0::smallint, count(*) FROM {schema}.tasks AS t
WHERE t.queue = $2 AND t.state = 0 AND ($1::smallint[] IS NULL OR 0 = ANY ($1))
UNION ALL
SELECT 1::smallint, count(*) FROM {schema}.tasks AS t
WHERE t.queue = $2 AND t.state = 1 AND ($1::smallint[] IS NULL OR 1 = ANY ($1))
UNION ALL
SELECT t.state, count(*) FROM {schema}.tasks AS t
WHERE t.queue = $2 AND t.state >= 2
    AND ($1::smallint[] IS NULL OR ($1 && ARRAY[2, 3, 4]::smallint[] AND t.state = ANY ($1)))
GROUP BY t.state
