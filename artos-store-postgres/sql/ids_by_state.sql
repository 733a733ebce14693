-- Finds what ids.sql does, in states $1: of each state from its part of an index.
SELECT each.id
FROM (SELECT DISTINCT unnest($1::smallint[])) AS states (state)
CROSS JOIN LATERAL (
    SELECT t.id
    FROM {schema}.tasks AS t
    WHERE t.state = states.state
        AND {matching}
        AND ($7::uuid IS NULL OR t.id {after} $7)
    ORDER BY t.id {direction}
    LIMIT $6
) AS each
ORDER BY each.id {direction}
LIMIT $6
