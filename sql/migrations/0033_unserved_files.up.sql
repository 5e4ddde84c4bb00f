-- 0033 unserved_files: what is to be invalidated at the CDN, since it is no object any more, by whatever way it went.
-- Lock: share row exclusive on storage.objects and private.settings for their triggers. Duration: instant.
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
    version text not null,
    ended_at timestamptz not null default now(),
    constraint unserved_files_pkey primary key (id)
);

alter table private.unserved_files enable row level security;
alter table private.unserved_files force row level security;

comment on table private.unserved_files is 'What is to be invalidated at the CDN; a row goes when it was.';
comment on column private.unserved_files.id is 'Key, in order of queueing.';
comment on column private.unserved_files.bucket_id is 'The storage bucket.';
comment on column private.unserved_files.object_path is 'The object''s name in it; empty: all of the bucket.';
comment on column private.unserved_files.version is 'Which version of it; empty: all of the bucket.';
comment on column private.unserved_files.ended_at is 'When it was to be served no longer.';

-- What the CDN doesn't serve costs nothing. Before `up` has said what it serves, that may be everything.
create function private.is_at_cdn(bucket text) returns boolean
language sql stable
set search_path = ''
return coalesce((select s.value ? bucket from private.settings as s where s.name = 'cdnBuckets'), true);

-- By statement: deleting a thousand files is one insert. Definer, since nobody else may write the queue.
create function private.tg_storage_objects__unserve() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    if TG_OP = 'DELETE' then
        insert into private.unserved_files (bucket_id, object_path, version)
        select r.bucket_id, r.name, r.version from removed as r
        where r.version is not null and private.is_at_cdn(r.bucket_id);
    else
        insert into private.unserved_files (bucket_id, object_path, version)
        select r.bucket_id, r.name, r.version
        from removed as r
        left join added as a on a.id = r.id
        where r.version is not null and private.is_at_cdn(r.bucket_id)
            and (a.bucket_id, a.name, a.version) is distinct from (r.bucket_id, r.name, r.version);
    end if;
    return null;
end
$$;

-- A bucket that the CDN serves no longer, or serves again: what it has of it may be older than all that was queued, and
-- while it served none nothing was. Definer, as above.
create function private.tg_settings__unserve() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.unserved_files (bucket_id, object_path, version)
    select c.bucket, '', ''
    from (
        select jsonb_path_query(OLD.value, '$[*] ? (@.type() == "string")') #>> '{}' as bucket
        union all
        select jsonb_path_query(NEW.value, '$[*] ? (@.type() == "string")') #>> '{}'
    ) as c
    group by c.bucket having count(*) = 1;
    return null;
end
$$;

comment on function private.is_at_cdn(text) is 'Whether the CDN serves this bucket, as it is declared.';
comment on function private.tg_storage_objects__unserve() is
'Trigger, after: what ends is to be invalidated at the CDN.';
comment on function private.tg_settings__unserve() is
'Trigger, after: all of a bucket that the CDN serves no longer or again is to be invalidated there.';

revoke execute on function private.is_at_cdn(text) from public;
revoke execute on function private.tg_storage_objects__unserve() from public;
revoke execute on function private.tg_settings__unserve() from public;

-- What no row's end says: the scanner takes a verdict back, the cleaner removes a file that has no row. Definer:
-- neither has a privilege on the queue.
create function private.unserve(buckets text[], names text[], versions text[])
returns table (bucket_id text, object_path text, version text)
language sql volatile security definer
set search_path = ''
rows 100
as $$
    insert into private.unserved_files as u (bucket_id, object_path, version)
    select g.bucket, g.object, g.version from unnest(buckets, names, versions) as g (bucket, object, version)
    where g.object <> '' and g.version <> '' and private.is_at_cdn(g.bucket)
    returning u.bucket_id, u.object_path, u.version
$$;

-- Definer: the cleaner has no privilege on it. Not what ended a moment ago: its file may still be on its way out,
-- and the CDN would fetch it again.
create function private.unserved_files(count integer) returns setof private.unserved_files
language sql stable security definer
set search_path = ''
rows 100
as $$
    select * from private.unserved_files as u
    where u.ended_at < now() - interval '1 minute'
    order by u.id limit private.at_most(count, 10000)
$$;

create function private.finish_unserved(ids uuid[]) returns integer
language sql volatile security definer
set search_path = ''
as $$
    with gone as (delete from private.unserved_files where id = any (ids) returning 1)
    select count(*)::integer from gone
$$;

-- What has neither a row nor a file any more and was invalidated since: whatever was queued of it is done.
create function private.finish_gone(buckets text[], names text[], versions text[]) returns bigint
language sql volatile security definer
set search_path = ''
as $$
    with gone as (
        delete from private.unserved_files as u
        using unnest(buckets, names, versions) as g (bucket, object, version)
        where (u.bucket_id, u.object_path, u.version) = (g.bucket, g.object, g.version)
            and not exists (
                select from storage.objects as o
                where (o.bucket_id, o.name, o.version) = (g.bucket, g.object, g.version)
            )
        returning 1
    )
    select count(*) from gone
$$;

create function ops.unserve(buckets text[], names text[], versions text[])
returns table (bucket_id text, object_path text, version text)
language sql volatile
set search_path = ''
begin atomic
    select u.bucket_id, u.object_path, u.version from private.unserve(buckets, names, versions) as u;
end;

create function ops.unserved_files(count integer)
returns table (id uuid, bucket_id text, object_path text, version text)
language sql stable
set search_path = ''
begin atomic
    select u.id, u.bucket_id, u.object_path, u.version from private.unserved_files(count) as u;
end;

create function ops.finish_gone(buckets text[], names text[], versions text[]) returns bigint
language sql volatile
set search_path = ''
return private.finish_gone(buckets, names, versions);

create function ops.finish_unserved(ids uuid[]) returns integer
language sql volatile
set search_path = ''
return private.finish_unserved(ids);

comment on function private.unserve(text[], text[], text[]) is 'See ops.unserve.';
comment on function private.finish_gone(text[], text[], text[]) is 'See ops.finish_gone.';
comment on function private.unserved_files(integer) is
'What is to be invalidated at the CDN, what ended first before all.';
comment on function private.finish_unserved(uuid[]) is 'Strikes off what was invalidated at the CDN; how many.';
comment on function ops.unserve(text[], text[], text[]) is
'For scanner and cleaner: these versions are to be invalidated at the CDN; those whose bucket it serves.';
comment on function ops.finish_gone(text[], text[], text[]) is
'For the cleaner: strikes off what is gone and was invalidated since; how many.';
comment on function ops.unserved_files(integer) is 'For the cleaner: what is to be invalidated at the CDN.';
comment on function ops.finish_unserved(uuid[]) is 'For the cleaner: these were invalidated at the CDN.';

revoke execute on function private.unserve(text[], text[], text[]) from public;
revoke execute on function private.finish_gone(text[], text[], text[]) from public;
revoke execute on function ops.unserve(text[], text[], text[]) from public;
revoke execute on function ops.finish_gone(text[], text[], text[]) from public;
revoke execute on function private.unserved_files(integer) from public;
revoke execute on function private.finish_unserved(uuid[]) from public;
revoke execute on function ops.unserved_files(integer) from public;
revoke execute on function ops.finish_unserved(uuid[]) from public;

create trigger _500_unserve
after update or delete on private.settings
for each row when (old.name = 'cdnBuckets')
execute function private.tg_settings__unserve();

-- The platform's own table: only the login has a privilege on it by its owner and on our function by ours.
reset role;
create trigger _500_unserve_deleted
after delete on storage.objects referencing old table as removed
for each statement execute function private.tg_storage_objects__unserve();

create trigger _510_unserve_updated
after update on storage.objects referencing old table as removed new table as added
for each statement execute function private.tg_storage_objects__unserve();
