-- Deletes up to $3 tasks, 1,000 at most, that ended in one of the states $1, each with its own
-- retention in $2; and says how many microseconds the first one left has to go, if one is left.
--
-- The queues are looked up one after the other in the index that leads to the oldest of each.
WITH RECURSIVE {clock},
queues AS (
    (
        SELECT t.queue FROM {schema}.tasks AS t
        WHERE t.state >= 2
        ORDER BY t.queue LIMIT 1
    )
    UNION ALL
    SELECT further.queue
    FROM queues CROSS JOIN LATERAL (
        SELECT t.queue FROM {schema}.tasks AS t
        WHERE t.state >= 2 AND t.queue > queues.queue
        ORDER BY t.queue LIMIT 1
    ) AS further
),
old AS MATERIALIZED (
    SELECT first.id
    FROM queues CROSS JOIN unnest($1::smallint[], $2::bigint[]) AS r (state, keep)
    CROSS JOIN LATERAL (
        SELECT t.id FROM {schema}.tasks AS t
        WHERE t.state >= 2 AND t.queue = queues.queue AND t.state = r.state
            AND t.finished_at <= (SELECT clock.now FROM clock) - r.keep
        ORDER BY t.finished_at
        LIMIT 1000
        FOR UPDATE SKIP LOCKED
    ) AS first
    LIMIT $3
),
pruned AS (
    DELETE FROM {schema}.tasks AS t WHERE t.id = ANY (ARRAY(SELECT old.id FROM old))
    RETURNING t.id, t.labels
),
unlabelled AS (
    -- Looked up one by one, which OFFSET 0 insists on. Labels never change, so neither do their
    -- places.
    DELETE FROM {schema}.labels AS l
    WHERE l.ctid = ANY (ARRAY(
        SELECT place.ctid
        FROM pruned
        CROSS JOIN LATERAL jsonb_each_text(pruned.labels) AS label
        CROSS JOIN LATERAL (
            SELECT o.ctid FROM {schema}.labels AS o
            WHERE o.key = label.key AND o.value = label.value AND o.id = pruned.id
            OFFSET 0
        ) AS place
        WHERE pruned.labels IS NOT NULL
    ))
),
next AS (
    -- The first one of each queue and state that is left. One that another prune is about to remove
    -- counts as left; that costs one look.
    SELECT min(first.finished_at - (SELECT clock.now FROM clock) + r.keep) AS after
    FROM queues CROSS JOIN unnest($1::smallint[], $2::bigint[]) AS r (state, keep)
    CROSS JOIN LATERAL (
        SELECT t.finished_at FROM {schema}.tasks AS t
        WHERE t.state >= 2 AND t.queue = queues.queue AND t.state = r.state
            AND t.id NOT IN (SELECT old.id FROM old)
        ORDER BY t.finished_at
        LIMIT 1
    ) AS first
)
SELECT (SELECT count(*) FROM pruned), next.after FROM next
