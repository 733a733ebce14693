-- Cancels a pending task, or notes the wish on a running one. Not answered: there was nothing to do.
WITH {clock}
UPDATE {schema}.tasks AS t SET
    state = CASE t.state WHEN 0 THEN 4 ELSE t.state END,
    finished_at = CASE t.state WHEN 0 THEN clock.now END,
    cancel_requested = t.cancel_requested OR t.state = 1,
    revision = t.revision + 1,
    updated_at = clock.now
FROM clock
WHERE t.id = $1 AND (t.state = 0 OR (t.state = 1 AND NOT t.cancel_requested))
RETURNING t.state
