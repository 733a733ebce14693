-- Lists as list.sql does, in states $1: of each state from its part of an index.
SELECT {record}
FROM (
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
) AS found
INNER JOIN {schema}.tasks AS t ON t.id = found.id
ORDER BY t.id {direction}
