-- Reads the state of a task, and whether somebody asked to cancel it.
SELECT t.state, t.cancel_requested FROM {schema}.tasks AS t WHERE t.id = $1
