-- Leases up to $2 due tasks of queue $1 to worker $3 for $4 microseconds; $5 names this call.
--
-- Each priority is looked at on its own, so that tasks for later do not hide behind each other: the
-- index leads to the first due task of a priority, however many wait for another time.
--
-- A plan made for any $2 assumes that it is a tenth of the table. The limit of 1,000, which no call
-- exceeds, and the array make it one for few tasks; rows are locked one by one, as they are taken.
-- What comes next is looked for behind what was taken: `NOT IN` looks each up in a hash table, where
-- an array would be read from its beginning for each.
WITH RECURSIVE {clock},
priorities AS (
    (
        SELECT t.priority FROM {schema}.tasks AS t
        WHERE t.state = 0 AND t.queue = $1
        ORDER BY t.priority DESC LIMIT 1
    )
    UNION ALL
    SELECT lower.priority
    FROM priorities CROSS JOIN LATERAL (
        SELECT t.priority FROM {schema}.tasks AS t
        WHERE t.state = 0 AND t.queue = $1 AND t.priority < priorities.priority
        ORDER BY t.priority DESC LIMIT 1
    ) AS lower
),
due AS MATERIALIZED (
    SELECT first.id
    FROM priorities CROSS JOIN LATERAL (
        SELECT t.id FROM {schema}.tasks AS t
        WHERE t.state = 0 AND t.queue = $1 AND t.priority = priorities.priority
            AND t.run_at <= (SELECT clock.now FROM clock)
        ORDER BY t.run_at, t.id
        LIMIT 1000
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS first
    LIMIT $2
),
claimed AS (
    UPDATE {schema}.tasks AS t SET
        state = 1,
        epoch = t.epoch + 1,
        attempt = LEAST(t.attempt, 2147483646) + 1,
        lease_worker = $3,
        lease_call = $5,
        lease_until = LEAST(clock.now + $4, {end_of_time}),
        settled_by = NULL,
        started_at = COALESCE(t.started_at, clock.now),
        revision = t.revision + 1,
        updated_at = clock.now
    FROM clock
    WHERE t.id = ANY (ARRAY(SELECT due.id FROM due))
    RETURNING {record}, COALESCE(t.checkpoint, t.input) AS payload
),
next AS (
    SELECT min(first.run_at) AS run_at
    FROM priorities CROSS JOIN LATERAL (
        SELECT t.run_at FROM {schema}.tasks AS t
        WHERE t.state = 0 AND t.queue = $1 AND t.priority = priorities.priority
            AND t.id NOT IN (SELECT due.id FROM due)
        ORDER BY t.run_at, t.id
        LIMIT 1
    ) AS first
)
SELECT clock.now, next.run_at AS next_run_at, claimed.*
FROM clock CROSS JOIN next LEFT JOIN claimed ON true
