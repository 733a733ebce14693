-- Counts the tasks in each of the states $1, from the index alone.
SELECT s.state, (SELECT count(*) FROM {schema}.tasks AS t WHERE t.state = s.state)
FROM unnest($1::smallint[]) AS s (state)
