-- Which tasks a listing wants; a part of other statements. They are planned anew for each call, so a
-- part of the filter that is not set costs nothing.
--
-- Every task is in one of the states that the parts about kind and queue name. They say so because
-- those that run are in no index by kind or queue: they are few, and found by their state. An index
-- of all tasks would have to change with each step of each.
($1::smallint[] IS NULL OR t.state = ANY ($1))
    AND ($2::text[] IS NULL OR (
        t.kind = ANY ($2) AND (t.state = 1 OR t.state <> 1)
    ))
    AND ($3::text IS NULL OR (
        t.queue = $3 AND (t.state = 0 OR t.state = 1 OR t.state >= 2)
    ))
    AND ($4::text IS NULL OR t.tenant = $4)
    AND ($5::text[] IS NULL OR t.labels @> ALL ($5::text[]::jsonb[]))
