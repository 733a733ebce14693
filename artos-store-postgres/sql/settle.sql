-- Ends attempts, each with its payload and its follow-up tasks. What is not answered was refused, or
-- was applied before.
--
-- It says what `artos_core::machine::settle` says; the outcomes are 0 advance, 1 complete, 2 retry,
-- 3 snooze, 4 fail, 5 cancel, 6 interrupt. The causes 5, 7 and 8 are those of a
-- payload that nobody reads, and of an unknown kind or stage.
--
-- A batch in which a task comes twice takes several statements; $34 is the time of the first.
WITH clock AS MATERIALIZED (
    SELECT COALESCE($34::bigint, {schema}.now_micros()) AS now, {durable} AS durable
),
items AS (
    SELECT *
    FROM unnest(
        $17::bigint[], $18::uuid[], $19::bigint[], $20::smallint[],
        $21::text[], $22::text[], $23::bytea[], $24::bigint[],
        $25::text[], $26::bigint[], $27::bigint[], $28::smallint[], $29::text[],
        $30::smallint[], $31::text[], $32::bigint[], $33::text[]
    ) AS i (
        position, id, epoch, outcome,
        from_stage, stage, payload, delay,
        progress_stage, progress_number, progress_count, progress_percent, progress_message,
        failure_cause, failure_stage, failure_attempt, failure_message
    )
),
applied AS (
    UPDATE {schema}.tasks AS t SET
        state = CASE
            WHEN i.outcome = 1 THEN 2
            WHEN i.outcome = 4 THEN 3
            WHEN i.outcome = 5 OR t.cancel_requested THEN 4
            WHEN i.outcome = 0 THEN 1
            ELSE 0
        END,
        lease_worker =
            CASE WHEN i.outcome = 0 AND NOT t.cancel_requested THEN t.lease_worker END,
        lease_call = CASE WHEN i.outcome = 0 AND NOT t.cancel_requested THEN t.lease_call END,
        lease_until = CASE WHEN i.outcome = 0 AND NOT t.cancel_requested THEN t.lease_until END,
        finished_at =
            CASE WHEN i.outcome IN (1, 4, 5) OR t.cancel_requested THEN clock.now END,
        stage = CASE WHEN i.outcome = 0 THEN i.stage ELSE t.stage END,
        stage_entered_at = CASE WHEN i.outcome = 0 THEN clock.now ELSE t.stage_entered_at END,
        attempt = CASE
            WHEN i.outcome = 0 THEN 1
            WHEN i.outcome IN (3, 6) OR (i.outcome = 2 AND i.failure_cause IN (5, 7, 8))
                THEN GREATEST(t.attempt - 1, 0)
            ELSE t.attempt
        END,
        snoozes = CASE i.outcome WHEN 0 THEN 0 WHEN 3 THEN t.snoozes + 1 ELSE t.snoozes END,
        interrupts =
            CASE i.outcome WHEN 0 THEN 0 WHEN 6 THEN t.interrupts + 1 ELSE t.interrupts END,
        run_at = CASE
            WHEN i.outcome IN (2, 3, 6) AND NOT t.cancel_requested
                THEN LEAST(clock.now + i.delay, {end_of_time})
            ELSE t.run_at
        END,
        settled_by = i.outcome,
        progress_stage = CASE WHEN i.outcome = 0 THEN i.progress_stage ELSE t.progress_stage END,
        progress_number =
            CASE WHEN i.outcome = 0 THEN i.progress_number ELSE t.progress_number END,
        progress_count = CASE WHEN i.outcome = 0 THEN i.progress_count ELSE t.progress_count END,
        progress_percent = CASE
            WHEN i.outcome = 0 THEN i.progress_percent
            WHEN i.outcome = 1 AND t.progress_stage IS NOT NULL THEN 100
            ELSE t.progress_percent
        END,
        progress_message = CASE
            WHEN i.outcome = 0 THEN i.progress_message
            WHEN i.outcome = 1 AND t.progress_stage IS NOT NULL THEN ''
            ELSE t.progress_message
        END,
        progress_at = CASE
            WHEN i.outcome = 0 OR (i.outcome = 1 AND t.progress_stage IS NOT NULL) THEN clock.now
            ELSE t.progress_at
        END,
        failure_cause = CASE
            WHEN i.outcome IN (2, 4) THEN i.failure_cause
            WHEN i.outcome IN (3, 5, 6) THEN t.failure_cause
        END,
        failure_stage = CASE
            WHEN i.outcome IN (2, 4) THEN i.failure_stage
            WHEN i.outcome IN (3, 5, 6) THEN t.failure_stage
        END,
        failure_attempt = CASE
            WHEN i.outcome IN (2, 4) THEN i.failure_attempt
            WHEN i.outcome IN (3, 5, 6) THEN t.failure_attempt
        END,
        failure_message = CASE
            WHEN i.outcome IN (2, 4) THEN i.failure_message
            WHEN i.outcome IN (3, 5, 6) THEN t.failure_message
        END,
        failure_at = CASE
            WHEN i.outcome = 2 AND i.failure_cause IN (5, 7, 8) AND t.failure_cause IN (5, 7, 8)
                THEN t.failure_at
            WHEN i.outcome IN (2, 4) THEN clock.now
            WHEN i.outcome IN (3, 5, 6) THEN t.failure_at
        END,
        checkpoint = CASE i.outcome WHEN 0 THEN i.payload WHEN 1 THEN NULL ELSE t.checkpoint END,
        output = CASE WHEN i.outcome = 1 THEN i.payload ELSE t.output END,
        revision = t.revision + 1,
        updated_at = clock.now
    FROM items AS i CROSS JOIN clock
    WHERE t.id = i.id AND t.epoch = i.epoch AND t.state = 1 AND t.lease_until > clock.now
        AND (i.outcome <> 0 OR t.stage IS NOT DISTINCT FROM i.from_stage)
        -- An advance to the stage the last advance led to is one that was sent again.
        AND (i.outcome = 0 AND t.settled_by = 0 AND t.stage = i.stage) IS NOT TRUE
    RETURNING i.position, t.state, t.queue
),
wanted AS (
    SELECT n.*
    FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::uuid[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::bytea[], $13::bytea[],
        $14::text[], $15::uuid[], $16::bigint[]
    ) WITH ORDINALITY AS n (
        id, kind, queue, priority, tenant, labels, retry_of,
        delay, start_at, expires_after, stage, input, checkpoint,
        idempotency_key, key_digest, item, position
    )
    JOIN applied ON applied.position = n.item
),
{new_tasks}
SELECT clock.now, applied.position, applied.state, applied.queue
FROM applied CROSS JOIN clock
UNION ALL
SELECT clock.now, NULL, 0::smallint, inserted.queue
FROM inserted CROSS JOIN clock
