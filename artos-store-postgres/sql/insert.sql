-- Inserts a group of tasks; the answer names those that are new.
--
-- A batch in which an id comes twice takes several statements; $16 is the time of the first.
WITH clock AS MATERIALIZED (
    SELECT COALESCE($16::bigint, {schema}.now_micros()) AS now, {durable} AS durable
),
wanted AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[],
        $8::uuid[], $9::uuid[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[],
        $14::bytea[], $15::bytea[]
    ) WITH ORDINALITY AS n (
        id, kind, queue, priority, tenant, labels, idempotency_key,
        key_digest, retry_of, delay, start_at, expires_after, stage,
        input, checkpoint, position
    )
),
{new_tasks}
SELECT inserted.id, clock.now FROM inserted CROSS JOIN clock
