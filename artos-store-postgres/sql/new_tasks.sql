-- Inserts new tasks that come as arrays, in their order, unless id or idempotency key is there.
-- It is a part of other statements, which say in `clock` what time it is, and in `wanted` which
-- tasks are to be inserted.
inserted AS (
    INSERT INTO {schema}.tasks (
        created_at, stage_entered_at, run_at, updated_at, id, priority, kind, queue, tenant, labels,
        idempotency_key, key_digest, retry_of, expires_at, stage, input, checkpoint
    )
    SELECT
        clock.now, clock.now, {run_at}, clock.now,
        n.id, n.priority, n.kind, n.queue, n.tenant, n.labels::jsonb,
        n.idempotency_key, n.key_digest, n.retry_of, {expires_at},
        n.stage, n.input, n.checkpoint
    FROM clock CROSS JOIN wanted AS n
    ORDER BY n.position
    ON CONFLICT DO NOTHING
    RETURNING id, labels, queue
),
labelled AS (
    INSERT INTO {schema}.labels (key, value, id)
    SELECT label.key, label.value, inserted.id
    FROM inserted CROSS JOIN LATERAL jsonb_each_text(inserted.labels) AS label
    WHERE inserted.labels IS NOT NULL
)
