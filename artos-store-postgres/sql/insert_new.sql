-- Inserts a group of tasks whose ids and labels nobody has seen before; they have no idempotency
-- keys. Should one be there all the same, the statement fails, and nothing is inserted.
--
-- `ON CONFLICT` would make each row wait for a look into every unique index and a second record in
-- the log: a quarter of the whole. Arrays that are shorter than the first, or empty, say null.
WITH {clock},
labelled AS (
    INSERT INTO {schema}.labels (id, key, value)
    SELECT * FROM unnest($14::uuid[], $15::text[], $16::text[])
),
inserted AS (
    INSERT INTO {schema}.tasks (
        created_at, stage_entered_at, run_at, updated_at, id, priority, kind, queue, tenant, labels,
        retry_of, expires_at, stage, input, checkpoint
    )
    SELECT
        clock.now, clock.now, {run_at}, clock.now,
        n.id, n.priority, n.kind, n.queue, n.tenant, n.labels::jsonb, n.retry_of, {expires_at},
        n.stage, n.input, n.checkpoint
    FROM clock CROSS JOIN unnest(
        $1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::uuid[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::bytea[], $13::bytea[]
    ) AS n (
        id, kind, queue, priority, tenant, labels, retry_of,
        delay, start_at, expires_after, stage, input, checkpoint
    )
)
SELECT 1 FROM clock
