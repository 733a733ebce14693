-- Reads one task, and one of its payloads.
SELECT {record},
    CASE $2::smallint WHEN 1 THEN t.input WHEN 2 THEN t.checkpoint WHEN 3 THEN t.output END
FROM {schema}.tasks AS t
WHERE t.id = $1
