-- Inserts a group of tasks; the answer names those that are new.
--
-- A batch in which an id comes twice takes several statements; $16 is the time of the first.
WITH clock AS MATERIALIZED (
    SELECT COALESCE($16::bigint, {schema}.now_micros()) AS now, {durable} AS durable
),
wanted AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::uuid[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::bytea[], $13::bytea[],
        $14::text[], $15::uuid[]
    ) WITH ORDINALITY AS n (
        id, kind, queue, priority, tenant, labels, retry_of,
        delay, start_at, expires_after, stage, input, checkpoint,
        idempotency_key, key_digest, position
    )
),
{new_tasks}
SELECT inserted.id, clock.now FROM inserted CROSS JOIN clock
