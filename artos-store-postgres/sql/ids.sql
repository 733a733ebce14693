-- Finds up to $6 tasks that match, in the order of their ids, after $7.
SELECT t.id
FROM {schema}.tasks AS t
WHERE {matching}
    AND ($7::uuid IS NULL OR t.id {after} $7)
ORDER BY t.id {direction}
LIMIT $6
