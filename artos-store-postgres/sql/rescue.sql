-- Takes back up to $1 tasks whose leases lapsed: pending at once, or cancelled if that was wanted.
WITH {clock},
lapsed AS MATERIALIZED (
    SELECT t.id FROM {schema}.tasks AS t
    WHERE t.state = 1 AND t.lease_until <= (SELECT clock.now FROM clock)
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
),
rescued AS (
    UPDATE {schema}.tasks AS t SET
        state = CASE WHEN t.cancel_requested THEN 4 ELSE 0 END,
        finished_at = CASE WHEN t.cancel_requested THEN clock.now END,
        run_at = CASE WHEN t.cancel_requested THEN t.run_at ELSE clock.now END,
        epoch = t.epoch + 1,
        settled_by = NULL,
        failure_cause = CASE WHEN {unknown} THEN t.failure_cause ELSE 4 END,
        failure_stage = CASE WHEN {unknown} THEN t.failure_stage ELSE t.stage END,
        failure_attempt = CASE WHEN {unknown} THEN t.failure_attempt ELSE t.attempt END,
        failure_message = CASE
            WHEN {unknown} THEN t.failure_message
            ELSE 'the lease of worker ' || t.lease_worker || ' lapsed at ' || to_char(
                to_timestamp(t.lease_until / 1000000) AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS"Z"'
            )
        END,
        failure_at = CASE WHEN {unknown} THEN t.failure_at ELSE clock.now END,
        lease_worker = NULL,
        lease_call = NULL,
        lease_until = NULL,
        revision = t.revision + 1,
        updated_at = clock.now
    FROM clock
    WHERE t.id = ANY (ARRAY(SELECT lapsed.id FROM lapsed))
    RETURNING t.id, t.state, t.queue
),
next AS (
    SELECT min(t.lease_until) AS lease_until FROM {schema}.tasks AS t
    WHERE t.state = 1 AND t.id NOT IN (SELECT lapsed.id FROM lapsed)
)
SELECT clock.now, next.lease_until, rescued.*
FROM clock CROSS JOIN next LEFT JOIN rescued ON true
