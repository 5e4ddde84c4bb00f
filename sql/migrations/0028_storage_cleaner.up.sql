-- 0028 storage_cleaner: files go with their person or project; what the cleaner's login reaches, by functions alone.
-- Lock: share row exclusive on public.users and public.projects for their triggers. Duration: instant.
-- Down: loses no data; the files of people and projects deleted later stay in the object store.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- By folder: what a person stored in other people's projects is those projects' and stays; their own projects go by
-- cascade, each with its files. Definer, since nobody else may write the queue.
create function private.tg_users__queue_files() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.deletion_queue (bucket_id, object_path)
    select o.bucket_id, o.name
    from storage.buckets as b
    join storage.objects as o
        on o.bucket_id = b.id
        and o.name collate "C" >= OLD.id::text || '/'
        and o.name collate "C" < OLD.id::text || '0'
    where private.bucket_access(b.id) <> 'projects';
    return null;
end
$$;

create function private.tg_projects__queue_files() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.deletion_queue (bucket_id, object_path)
    select o.bucket_id, o.name
    from storage.objects as o
    where o.bucket_id = any(private.buckets_of('{projects}'))
        and o.name collate "C" >= OLD.id::text || '/'
        and o.name collate "C" < OLD.id::text || '0';
    return null;
end
$$;

comment on function private.tg_users__queue_files() is 'Trigger, after delete: what the person stored is to go.';
comment on function private.tg_projects__queue_files() is 'Trigger, after delete: the project''s files are to go.';

revoke execute on function private.tg_users__queue_files() from public;
revoke execute on function private.tg_projects__queue_files() from public;

create trigger _200_queue_files
after delete on public.users
for each row execute function private.tg_users__queue_files();

create trigger _200_queue_files
after delete on public.projects
for each row execute function private.tg_projects__queue_files();

-- Definer, as are all here: the cleaner has no right to the tables. It asks of names that it knows and learns no other.
create function private.recorded_objects(buckets text[], names text[]) returns table (bucket_id text, name text)
language sql stable security definer
set search_path = ''
as $$
    select r.bucket_id, r.object_path from public.audio_recordings as r
    join unnest(buckets, names) as asked (bucket_id, name)
        on (r.bucket_id, r.object_path) = (asked.bucket_id, asked.name)
$$;

-- Folders are named by people or projects: what is in no uuid's folder, or the servers', is left behind by no
-- departure. A handful of rows, by their own index.
create function private.quarantine() returns table (bucket_id text, name text, version text, abandoned boolean)
language sql stable security definer
set search_path = ''
as $$
    select s.bucket_id, s.name, s.version, f.id is not null and not private.is_folder_of_somebody(f.access, f.id)
    from private.object_scans as s
    cross join lateral (
        select
            private.as_uuid(split_part(s.name, '/', 1)) as id, private.bucket_access(s.bucket_id) as access
    ) as f
    where s.status in ('infected', 'refused')
$$;

-- A verdict is forgotten with its person, its project or its row and no sooner, no matter who asks: it keeps the file
-- from being read.
create function private.forget_quarantined(bucket text, object text, object_version text) returns boolean
language sql volatile security definer
set search_path = ''
as $$
    with gone as (
        delete from private.object_scans as s using private.quarantine() as q
        where (s.bucket_id, s.name, s.version) = (bucket, object, object_version)
            and (q.bucket_id, q.name, q.version) = (s.bucket_id, s.name, s.version)
            and (
                q.abandoned or not exists (
                    select from storage.objects as o
                    where (o.bucket_id, o.name, o.version) = (s.bucket_id, s.name, s.version)
                )
            )
        returning 1
    )
    select exists (select 1 from gone)
$$;

-- What no departure has queued: it was stored too late, or by who never was a person here. Folders are few, and known
-- from what they hold. A batch ends where it is full: to count all each time would read all each time.
create function private.abandoned_files(grace interval, count integer)
returns table (id uuid, bucket_id text, name text)
language plpgsql stable security definer
set search_path = ''
rows 1000
as $$
begin
    return query
    select o.id, o.bucket_id, o.name from private.storage_usage as u
    join storage.objects as o
        on o.bucket_id = u.bucket_id
        and o.name collate "C" >= u.folder_id::text || '/' and o.name collate "C" < u.folder_id::text || '0'
    where u.objects > 0 and u.folder_id <> '00000000-0000-0000-0000-000000000000'
        and u.bucket_id = any(private.buckets_of('{people,inbox,projects}'))
        and not private.is_folder_of_somebody(private.bucket_access(u.bucket_id), u.folder_id)
        and greatest(o.created_at, o.updated_at) < now() - grace
    limit case when count is not null then private.at_most(count, 1000) end;
end
$$;

create function private.count_abandoned(grace interval) returns bigint
language sql stable security definer
set search_path = ''
as $$
    select count(*) from private.abandoned_files(grace, null)
$$;

create function private.waiting_deletions() returns setof private.deletion_queue
language sql stable security definer
set search_path = ''
as $$
    select * from private.deletion_queue
$$;

-- Not the mark that a cleaner notes what is kept. The lock comes first, as in private.note_kept: folders of many people
-- go in no order.
create function private.forget_empty_usage() returns bigint
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    gone bigint;
begin
    lock table private.storage_usage in share row exclusive mode;
    delete from private.storage_usage as u
    where (u.objects, u.bytes, u.kept_bytes) = (0, 0, 0)
        and (u.folder_id, u.bucket_id) <> ('00000000-0000-0000-0000-000000000000', '');
    get diagnostics gone = row_count;
    return gone;
end
$$;

-- What the cleaner's login sees; the work is done in schema private, to which it has no key.
create function ops.recorded_objects(buckets text[], names text[]) returns table (bucket_id text, name text)
language sql stable
set search_path = ''
begin atomic
    select r.bucket_id, r.name from private.recorded_objects(buckets, names) as r;
end;

create function ops.quarantine() returns table (bucket_id text, name text, version text, abandoned boolean)
language sql stable
set search_path = ''
begin atomic
    select q.bucket_id, q.name, q.version, q.abandoned from private.quarantine() as q;
end;

create function ops.forget_quarantined(bucket text, object text, object_version text) returns boolean
language sql volatile
set search_path = ''
return private.forget_quarantined(bucket, object, object_version);

create function ops.abandoned_files(grace interval, count integer)
returns table (id uuid, bucket_id text, name text)
language sql stable
set search_path = ''
begin atomic
    select a.id, a.bucket_id, a.name from private.abandoned_files(grace, count) as a;
end;

create function ops.count_abandoned(grace interval) returns bigint
language sql stable
set search_path = ''
return private.count_abandoned(grace);

create function ops.waiting_deletions()
returns table (id uuid, bucket_id text, object_path text, queued_at timestamptz)
language sql stable
set search_path = ''
begin atomic
    select w.id, w.bucket_id, w.object_path, w.queued_at from private.waiting_deletions() as w;
end;

create function ops.take_deletions(count integer)
returns table (id uuid, bucket_id text, object_path text, queued_at timestamptz)
language sql volatile
set search_path = ''
begin atomic
    select t.id, t.bucket_id, t.object_path, t.queued_at from private.take_deletions(count) as t;
end;

create function ops.finish_deletions(ids uuid[]) returns integer
language sql volatile
set search_path = ''
return private.finish_deletions(ids);

create function ops.forget_empty_usage() returns bigint
language sql volatile
set search_path = ''
return private.forget_empty_usage();

comment on function private.recorded_objects(text[], text[]) is 'Which of these objects a recording is of.';
comment on function private.quarantine() is 'What was found harmful, and whether its person or project is gone.';
comment on function private.forget_quarantined(text, text, text) is
'Strikes it off, if its person, project or row is gone.';
comment on function private.abandoned_files(interval, integer) is 'See ops.abandoned_files; null: all of them.';
comment on function private.count_abandoned(interval) is 'See ops.count_abandoned.';
comment on function private.waiting_deletions() is 'What is still to be deleted; takes nothing.';
comment on function private.forget_empty_usage() is 'Counts empty folders no longer; how many there were.';
comment on function ops.recorded_objects(text[], text[]) is 'For the cleaner: which of these a recording is of.';
comment on function ops.quarantine() is 'For the cleaner: what was found harmful, and whether it may go.';
comment on function ops.forget_quarantined(text, text, text) is 'For the cleaner: this lies in quarantine no more.';
comment on function ops.abandoned_files(interval, integer) is
'For the cleaner: the next files that have been in the folder of nobody for longer than this.';
comment on function ops.count_abandoned(interval) is 'For the cleaner: how many there are of them in all.';
comment on function ops.waiting_deletions() is 'For the cleaner: what is still to be deleted; takes nothing.';
comment on function ops.take_deletions(integer) is 'For the cleaner: the next files to delete.';
comment on function ops.finish_deletions(uuid[]) is 'For the cleaner: these files are deleted.';
comment on function ops.forget_empty_usage() is 'For the cleaner: counts empty folders no longer.';

revoke execute on function private.recorded_objects(text[], text[]) from public;
revoke execute on function private.quarantine() from public;
revoke execute on function private.forget_quarantined(text, text, text) from public;
revoke execute on function private.abandoned_files(interval, integer) from public;
revoke execute on function private.count_abandoned(interval) from public;
revoke execute on function private.waiting_deletions() from public;
revoke execute on function private.forget_empty_usage() from public;
revoke execute on function ops.recorded_objects(text[], text[]) from public;
revoke execute on function ops.quarantine() from public;
revoke execute on function ops.forget_quarantined(text, text, text) from public;
revoke execute on function ops.abandoned_files(interval, integer) from public;
revoke execute on function ops.count_abandoned(interval) from public;
revoke execute on function ops.waiting_deletions() from public;
revoke execute on function ops.take_deletions(integer) from public;
revoke execute on function ops.finish_deletions(uuid[]) from public;
revoke execute on function ops.forget_empty_usage() from public;
