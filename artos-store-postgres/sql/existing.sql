-- Finds the tasks that kept others from being inserted: by id, or else by idempotency key.
SELECT n.position, found.id, found.input = n.input AS same_input
FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::bytea[])
    AS n (position, id, key_digest, input)
CROSS JOIN LATERAL (
    SELECT candidate.id, candidate.input
    FROM (
        SELECT 0 AS rank, t.id, t.input FROM {schema}.tasks AS t WHERE t.id = n.id
        UNION ALL
        SELECT 1, t.id, t.input FROM {schema}.tasks AS t WHERE t.key_digest = n.key_digest
    ) AS candidate
    ORDER BY candidate.rank
    LIMIT 1
) AS found
