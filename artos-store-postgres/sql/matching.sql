-- Which tasks a listing wants; a part of other statements. They are planned anew for each call, so a
-- part of the filter that is not set costs nothing.
--
-- Every task is in one of the states that the part about the queue names. It says so because there
-- is an index by queue for those that wait and another for those that have ended, and the few that
-- run are found by their state; an index of all tasks would have to change with each step of each.
($1::smallint[] IS NULL OR t.state = ANY ($1))
    AND ($2::text[] IS NULL OR t.kind = ANY ($2))
    AND ($3::text IS NULL OR (
        t.queue = $3 AND (t.state = 0 OR t.state = 1 OR t.state >= 2)
    ))
    AND ($4::text IS NULL OR t.tenant = $4)
    AND ($5::text IS NULL OR t.id IN (
        SELECT l.id FROM {schema}.labels AS l WHERE l.key = $5 AND l.value = $6
    ))
    AND ($7::text[] IS NULL OR t.labels @> ALL ($7::text[]::jsonb[]))
