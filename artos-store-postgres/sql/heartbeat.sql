-- Extends leases by $1 microseconds, and takes in progress. A lease that is not answered is lost.
WITH {clock},
beats AS (
    SELECT *
    FROM unnest(
        $2::bigint[], $3::uuid[], $4::bigint[],
        $5::text[], $6::bigint[], $7::bigint[], $8::smallint[], $9::text[]
    ) AS b (position, id, epoch, stage, number, count, percent, message)
)
UPDATE {schema}.tasks AS t SET
    lease_until = LEAST(clock.now + $1, {end_of_time}),
    progress_stage = CASE WHEN {fits} THEN b.stage ELSE t.progress_stage END,
    progress_number = CASE WHEN {fits} THEN b.number ELSE t.progress_number END,
    progress_count = CASE WHEN {fits} THEN b.count ELSE t.progress_count END,
    progress_percent = CASE WHEN {fits} THEN b.percent ELSE t.progress_percent END,
    progress_message = CASE WHEN {fits} THEN b.message ELSE t.progress_message END,
    progress_at = CASE WHEN {fits} THEN clock.now ELSE t.progress_at END,
    revision = CASE WHEN {fits} THEN t.revision + 1 ELSE t.revision END,
    updated_at = CASE WHEN {fits} THEN clock.now ELSE t.updated_at END
FROM beats AS b CROSS JOIN clock
WHERE t.id = b.id AND t.epoch = b.epoch AND t.state = 1 AND t.lease_until > clock.now
RETURNING b.position, t.cancel_requested
