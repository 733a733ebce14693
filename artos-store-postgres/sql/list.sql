-- Lists up to $8 tasks in the order of their ids, after $9.
SELECT {record}
FROM {schema}.tasks AS t
WHERE {matching}
    AND ($9::uuid IS NULL OR t.id {after} $9)
ORDER BY t.id {direction}
LIMIT $8
