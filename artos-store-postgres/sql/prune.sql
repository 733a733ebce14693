-- Deletes up to $3 tasks that ended in one of the states $1, each with its own retention in $2.
WITH {clock},
old AS MATERIALIZED (
    SELECT first.id
    FROM unnest($1::smallint[], $2::bigint[]) AS r (state, keep) CROSS JOIN LATERAL (
        SELECT t.id FROM {schema}.tasks AS t
        WHERE t.state = r.state AND t.finished_at <= (SELECT clock.now FROM clock) - r.keep
        ORDER BY t.finished_at
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) AS first
    LIMIT $3
),
pruned AS (
    DELETE FROM {schema}.tasks AS t USING old WHERE t.id = old.id
    RETURNING t.id, t.labels
),
unlabelled AS (
    DELETE FROM {schema}.labels AS l
    USING pruned CROSS JOIN LATERAL jsonb_each_text(pruned.labels) AS label
    WHERE pruned.labels IS NOT NULL
        AND l.key = label.key AND l.value = label.value AND l.id = pruned.id
)
SELECT count(*) FROM pruned
