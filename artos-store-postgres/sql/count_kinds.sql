-- Counts the tasks of kinds $2 by state, of the states $1 if there are any: from an index that has
-- what it takes, but for those that run, which are few.
SELECT t.state, count(*) FROM {schema}.tasks AS t
WHERE t.kind = ANY ($2::text[]) AND t.state <> 1
    AND ($1::smallint[] IS NULL OR t.state = ANY ($1))
GROUP BY t.state
UNION ALL
SELECT 1::smallint, count(*) FROM {schema}.tasks AS t
WHERE t.kind = ANY ($2::text[]) AND t.state = 1 AND ($1::smallint[] IS NULL OR 1 = ANY ($1))
