-- 0036 take_scans_once: a scanner takes as many files as it asked for, whatever the plan.
-- Lock: a new body of a function only, none. Duration: instant.
-- Down: loses no data.

-- Steps run with row_security off, so that moving data fails loudly; the server tries the bodies of functions under
-- that setting too. Nothing is moved here.
set local row_security = on;

-- A subquery that a nested loop runs for each row of the queue locks other files each time; a materialized one runs
-- once.
create or replace function private.take_scans(count integer)
returns table (bucket_id text, name text, version text, mime_type text, attempt bigint)
language sql volatile security definer
set search_path = ''
rows 10
as $$
    with taken as materialized (
        select w.bucket_id, w.name, w.version from private.object_scans as w
        where w.status = 'pending' and w.due_at <= now()
        order by w.due_at
        limit least(count, 100)
        for update skip locked
    )
    update private.object_scans as s set due_at = now() + interval '10 minutes', attempts = s.attempts + 1
    from taken
    where (s.bucket_id, s.name, s.version) = (taken.bucket_id, taken.name, taken.version)
    returning s.bucket_id, s.name, s.version, s.mime_type, s.attempts
$$;
