-- 0033 unserved_files: what is to be invalidated at the CDN, since it is no object any more, by whatever way it went.
-- Lock: share row exclusive on storage.objects for its triggers. Duration: instant.
-- Down: loses the queue: the CDN may answer with what wasn't invalidated yet until its copy expires.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- The Storage API, the cleaner, a retention, a move, an upsert: each ends a version of an object here, in its row. The
-- CDN keeps what it has served for a year, and no transaction reaches it.
create table private.unserved_files (
    id uuid not null default private.uuid_v7(),
    bucket_id text not null,
    object_path text not null,
    ended_at timestamptz not null default now(),
    constraint unserved_files_pkey primary key (id)
);

alter table private.unserved_files enable row level security;
alter table private.unserved_files force row level security;

comment on table private.unserved_files is 'What is to be invalidated at the CDN; a row goes when it was.';
comment on column private.unserved_files.id is 'Key, in order of queueing.';
comment on column private.unserved_files.bucket_id is 'The storage bucket.';
comment on column private.unserved_files.object_path is 'The object''s name in it.';
comment on column private.unserved_files.ended_at is 'When a version of it ended.';

-- By statement: deleting a thousand files is one insert. Definer, since nobody else may write the queue.
create function private.tg_storage_objects__unserve() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    if TG_OP = 'DELETE' then
        insert into private.unserved_files (bucket_id, object_path)
        select r.bucket_id, r.name from removed as r where r.version is not null;
    else
        insert into private.unserved_files (bucket_id, object_path)
        select r.bucket_id, r.name
        from removed as r
        left join added as a on a.id = r.id
        where r.version is not null
            and (a.bucket_id, a.name, a.version) is distinct from (r.bucket_id, r.name, r.version);
    end if;
    return null;
end
$$;

comment on function private.tg_storage_objects__unserve() is
'Trigger, after: what ends is to be invalidated at the CDN.';

revoke execute on function private.tg_storage_objects__unserve() from public;

-- Definer: the cleaner has no privilege on it. Not what ended a moment ago: its file may still be on its way out,
-- and the CDN would fetch it again.
create function private.unserved_files(count integer) returns setof private.unserved_files
language sql stable security definer
set search_path = ''
rows 100
as $$
    select * from private.unserved_files as u
    where u.ended_at < now() - interval '1 minute'
    order by u.id limit private.at_most(count, 1000)
$$;

create function private.finish_unserved(ids uuid[]) returns integer
language sql volatile security definer
set search_path = ''
as $$
    with gone as (delete from private.unserved_files where id = any (ids) returning 1)
    select count(*)::integer from gone
$$;

create function ops.unserved_files(count integer) returns table (id uuid, bucket_id text, object_path text)
language sql stable
set search_path = ''
begin atomic
    select u.id, u.bucket_id, u.object_path from private.unserved_files(count) as u;
end;

create function ops.finish_unserved(ids uuid[]) returns integer
language sql volatile
set search_path = ''
return private.finish_unserved(ids);

comment on function private.unserved_files(integer) is
'What is to be invalidated at the CDN, what ended first before all.';
comment on function private.finish_unserved(uuid[]) is 'Strikes off what was invalidated at the CDN; how many.';
comment on function ops.unserved_files(integer) is 'For the cleaner: what is to be invalidated at the CDN.';
comment on function ops.finish_unserved(uuid[]) is 'For the cleaner: these were invalidated at the CDN.';

revoke execute on function private.unserved_files(integer) from public;
revoke execute on function private.finish_unserved(uuid[]) from public;
revoke execute on function ops.unserved_files(integer) from public;
revoke execute on function ops.finish_unserved(uuid[]) from public;

-- The platform's own table: only the login has a privilege on it by its owner and on our function by ours.
reset role;
create trigger _500_unserve_deleted
after delete on storage.objects referencing old table as removed
for each statement execute function private.tg_storage_objects__unserve();

create trigger _510_unserve_updated
after update on storage.objects referencing old table as removed new table as added
for each statement execute function private.tg_storage_objects__unserve();
