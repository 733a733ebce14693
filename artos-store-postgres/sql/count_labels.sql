-- Counts the tasks that match and have the label $6 and its value $7, by state.
SELECT t.state, count(*)
FROM {schema}.labels AS l
INNER JOIN {schema}.tasks AS t ON t.id = l.id
WHERE l.key = $6 AND l.value = $7 AND {matching}
GROUP BY t.state
