-- 0036 take_scans_once: whether a scanner takes more files than it asked for is up to the planner again.
-- Lock: a new body of a function only, none. Duration: instant.
-- Down: loses no data.

-- As in the way up: the server tries the bodies of functions under the steps' row_security off.
set local row_security = on;

create or replace function private.take_scans(count integer)
returns table (bucket_id text, name text, version text, mime_type text, attempt bigint)
language sql volatile security definer
set search_path = ''
rows 10
as $$
    update private.object_scans as s set due_at = now() + interval '10 minutes', attempts = s.attempts + 1
    from (
        select w.bucket_id, w.name, w.version from private.object_scans as w
        where w.status = 'pending' and w.due_at <= now()
        order by w.due_at
        limit least(count, 100)
        for update skip locked
    ) as taken
    where (s.bucket_id, s.name, s.version) = (taken.bucket_id, taken.name, taken.version)
    returning s.bucket_id, s.name, s.version, s.mime_type, s.attempts
$$;
