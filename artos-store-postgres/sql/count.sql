-- Counts the tasks that match, by state.
SELECT t.state, count(*) FROM {schema}.tasks AS t WHERE {matching} GROUP BY t.state
