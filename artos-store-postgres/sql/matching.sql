-- Which tasks a listing wants; a part of other statements. They are planned anew for each call, so a
-- part of the filter that is not set costs nothing.
($1::smallint[] IS NULL OR t.state = ANY ($1))
    AND ($2::text[] IS NULL OR t.kind = ANY ($2))
    AND ($3::text IS NULL OR t.queue = $3)
    AND ($4::text IS NULL OR t.tenant = $4)
    AND ($5::text IS NULL OR t.id IN (
        SELECT l.id FROM {schema}.labels AS l WHERE l.key = $5 AND l.value = $6
    ))
    AND ($7::text[] IS NULL OR t.labels @> ALL ($7::text[]::jsonb[]))
