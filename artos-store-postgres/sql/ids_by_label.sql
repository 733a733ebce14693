-- Finds what ids.sql does, of those with the label $8 and its value $9.
SELECT t.id
FROM {schema}.labels AS l
INNER JOIN {schema}.tasks AS t ON t.id = l.id
WHERE l.key = $8 AND l.value = $9
    AND {matching}
    AND ($7::uuid IS NULL OR l.id {after} $7)
ORDER BY l.id {direction}
LIMIT $6
