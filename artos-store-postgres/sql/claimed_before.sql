-- Reads what call $2 of worker $1 leased, if its answer got lost.
SELECT {record}, COALESCE(t.checkpoint, t.input) AS payload
FROM {schema}.tasks AS t
WHERE t.state = 1 AND t.lease_worker = $1 AND t.lease_call = $2
