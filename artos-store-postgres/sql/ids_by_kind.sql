-- Finds what ids.sql does, of kinds $2: of each kind from its part of an index, and those that run,
-- which are few and not in it, by their state.
SELECT each.id
FROM (
    SELECT not_running.id
    FROM (SELECT DISTINCT unnest($2::text[]) COLLATE "C") AS kinds (kind)
    CROSS JOIN LATERAL (
        SELECT t.id
        FROM {schema}.tasks AS t
        WHERE t.kind = kinds.kind AND t.state <> 1
            AND {matching}
            AND ($7::uuid IS NULL OR t.id {after} $7)
        ORDER BY t.id {direction}
        LIMIT $6
    ) AS not_running
    UNION ALL
    SELECT running.id
    FROM (
        SELECT t.id
        FROM {schema}.tasks AS t
        WHERE t.state = 1
            AND {matching}
            AND ($7::uuid IS NULL OR t.id {after} $7)
        ORDER BY t.id {direction}
        LIMIT $6
    ) AS running
) AS each
ORDER BY each.id {direction}
LIMIT $6
