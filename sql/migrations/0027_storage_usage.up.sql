-- 0027 storage_usage: what each person has stored, kept by trigger, and a quota on it.
-- Lock: share row exclusive on storage.objects while its rows are read once. Duration: a second per million objects.
-- Down: loses the quotas that were set; usage is counted anew when it comes back.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. What is counted below is counted before row security binds the new tables.
set local row_security = on;

-- By the folder and not by owner_id: the folder is what row policies go by, and owner_id is whatever the row says.
create table private.storage_usage (
    user_id uuid not null,
    bucket_id text not null,
    objects bigint not null,
    bytes bigint not null,
    constraint storage_usage_pkey primary key (user_id, bucket_id)
);

create table private.storage_quotas (
    user_id uuid not null,
    bytes bigint not null,
    constraint storage_quotas_pkey primary key (user_id),
    constraint storage_quotas_user_id_fkey foreign key (user_id) references public.users (id) on delete cascade,
    constraint storage_quotas_bytes_check check (bytes >= 0)
);

comment on table private.storage_usage is 'What is stored, by person and bucket; folders may outlive people.';
comment on column private.storage_usage.user_id is 'Whose folder, all zeros for what lies in nobody''s.';
comment on column private.storage_usage.bucket_id is 'The storage bucket, empty for all of a person''s together.';
comment on column private.storage_usage.objects is 'How many objects.';
comment on column private.storage_usage.bytes is 'How large they are together.';
comment on table private.storage_quotas is 'How much a person may store, where it isn''t private.default_quota().';
comment on column private.storage_quotas.user_id is 'The person.';
comment on column private.storage_quotas.bytes is 'How much, over all buckets.';

create function private.default_quota() returns bigint
language sql immutable
set search_path = ''
return 5 * 1024::bigint ^ 3;

create function private.folder_owner(object text) returns uuid
language sql immutable
set search_path = ''
return coalesce(private.as_uuid(split_part(object, '/', 1)), '00000000-0000-0000-0000-000000000000');

-- A person's sum is changed first: two uploads at once into two buckets would else each see room for itself. Nothing is
-- summed up over what lies in nobody's folder, which has no quota.
create function private.add_usage(person uuid, bucket text, more_objects bigint, more_bytes bigint) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    used bigint;
    quota bigint;
begin
    if person <> '00000000-0000-0000-0000-000000000000' then
        insert into private.storage_usage as u (user_id, bucket_id, objects, bytes)
        values (person, '', more_objects, more_bytes)
        on conflict on constraint storage_usage_pkey do update
        set objects = u.objects + excluded.objects, bytes = u.bytes + excluded.bytes
        returning u.bytes into used;
    end if;
    insert into private.storage_usage as u (user_id, bucket_id, objects, bytes)
    values (person, bucket, more_objects, more_bytes)
    on conflict on constraint storage_usage_pkey do update
    set objects = u.objects + excluded.objects, bytes = u.bytes + excluded.bytes;
    if used is null or more_bytes <= 0 then
        return;
    end if;
    quota = coalesce(
        (select q.bytes from private.storage_quotas as q where q.user_id = person), private.default_quota()
    );
    -- As a lack of rights, which the Storage API and PostgREST tell as 403 and not as a fault of theirs.
    if used > quota then
        raise exception using
            errcode = 'insufficient_privilege',
            message = format('storage of %s is full: %s bytes more make %s', person, more_bytes, used),
            detail = format('The quota is %s bytes over all buckets.', quota),
            hint = 'Delete files, or raise the quota in private.storage_quotas.';
    end if;
end
$$;

-- By statement: deleting a thousand files changes a person's row once. After, since an upsert fires what is before an
-- insert also where it becomes an update.
create function private.tg_storage_objects__count() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    if TG_OP = 'INSERT' then
        perform private.add_usage(c.person, c.bucket_id, c.objects, c.bytes) from (
            select private.folder_owner(a.name) as person, a.bucket_id, count(*) as objects,
                coalesce(sum(private.object_bytes(a.metadata)), 0)::bigint as bytes
            from added as a where (a.bucket_id, a.name) is not null
            group by 1, 2 order by 1, 2
        ) as c;
    elsif TG_OP = 'DELETE' then
        perform private.add_usage(c.person, c.bucket_id, -c.objects, -c.bytes) from (
            select private.folder_owner(r.name) as person, r.bucket_id, count(*) as objects,
                coalesce(sum(private.object_bytes(r.metadata)), 0)::bigint as bytes
            from removed as r where (r.bucket_id, r.name) is not null
            group by 1, 2 order by 1, 2
        ) as c;
    else
        perform private.add_usage(c.person, c.bucket_id, c.objects, c.bytes) from (
            select private.folder_owner(b.name) as person, b.bucket_id, sum(b.sign)::bigint as objects,
                sum(b.sign * coalesce(private.object_bytes(b.metadata), 0))::bigint as bytes
            from (
                select a.bucket_id, a.name, a.metadata, 1 as sign from added as a
                union all
                select r.bucket_id, r.name, r.metadata, -1 from removed as r
            ) as b where (b.bucket_id, b.name) is not null
            group by 1, 2 order by 1, 2
        ) as c where (c.objects, c.bytes) <> (0, 0);
    end if;
    return null;
end
$$;

create function private.my_storage() returns table (bucket_id text, objects bigint, bytes bigint, quota bigint)
language plpgsql stable security definer
set search_path = ''
rows 5
as $$
declare
    quota constant bigint = coalesce(
        (select q.bytes from private.storage_quotas as q where q.user_id = auth.uid()), private.default_quota()
    );
begin
    return query
    select u.bucket_id, u.objects, u.bytes, quota from private.storage_usage as u
    where u.user_id = auth.uid() and u.bucket_id <> '' and u.objects > 0 order by u.bucket_id;
end
$$;

create function private.storage_report() returns table (user_id uuid, bucket_id text, objects bigint, bytes bigint)
language sql stable security definer
set search_path = ''
as $$
    select u.user_id, u.bucket_id, u.objects, u.bytes from private.storage_usage as u
    where u.bucket_id <> '' and u.objects > 0 order by u.bytes desc, u.user_id, u.bucket_id
$$;

-- What is there still, by when it was stored. Reads every object's row: for a report, not for a page.
create function private.storage_growth(since date)
returns table (month date, bucket_id text, objects bigint, bytes bigint)
language plpgsql stable security definer
set search_path = ''
as $$
begin
    return query
    select date_trunc('month', o.created_at at time zone 'UTC')::date, o.bucket_id, count(*),
        coalesce(sum(private.object_bytes(o.metadata)), 0)::bigint
    from storage.objects as o
    where o.created_at >= since and o.bucket_id is not null
    group by 1, 2 order by 1, 2;
end
$$;

create function public.storage_usage() returns table (bucket_id text, objects bigint, bytes bigint, quota bigint)
language sql stable
set search_path = ''
begin atomic
    select u.bucket_id, u.objects, u.bytes, u.quota from private.my_storage() as u;
end;

create function ops.storage_report() returns table (user_id uuid, bucket_id text, objects bigint, bytes bigint)
language sql stable
set search_path = ''
begin atomic
    select r.user_id, r.bucket_id, r.objects, r.bytes from private.storage_report() as r;
end;

create function ops.storage_growth(since date)
returns table (month date, bucket_id text, objects bigint, bytes bigint)
language sql stable
set search_path = ''
begin atomic
    select g.month, g.bucket_id, g.objects, g.bytes from private.storage_growth(since) as g;
end;

comment on function private.default_quota() is 'How many bytes a person may store over all buckets: 5 GiB.';
comment on function private.folder_owner(text) is 'Whose folder an object lies in, all zeros for nobody''s.';
comment on function private.add_usage(uuid, text, bigint, bigint) is 'Notes a change, within the quota.';
comment on function private.tg_storage_objects__count() is 'Trigger, after a statement: what is stored changed.';
comment on function private.my_storage() is 'What the asker has stored, by bucket, with the quota over all.';
comment on function private.storage_report() is 'What everybody has stored, the most first.';
comment on function private.storage_growth(date) is 'What is stored still, by month of upload and bucket.';
comment on function public.storage_usage() is 'What I have stored, by bucket, with my quota over all of them.';
comment on function ops.storage_report() is 'For the monitor: what everybody has stored, the most first.';
comment on function ops.storage_growth(date) is 'For the monitor: what is stored still, by month and bucket.';

revoke execute on function private.default_quota() from public;
revoke execute on function private.folder_owner(text) from public;
revoke execute on function private.add_usage(uuid, text, bigint, bigint) from public;
revoke execute on function private.tg_storage_objects__count() from public;
revoke execute on function private.my_storage() from public;
revoke execute on function private.storage_report() from public;
revoke execute on function private.storage_growth(date) from public;
revoke execute on function public.storage_usage() from public;
revoke execute on function ops.storage_report() from public;
revoke execute on function ops.storage_growth(date) from public;

-- The platform's own table: only whoever logged in has a right to it by its owner and to our function by ours.
reset role;
create trigger _400_count_insert
after insert on storage.objects referencing new table as added
for each statement execute function private.tg_storage_objects__count();

create trigger _410_count_update
after update on storage.objects referencing old table as removed new table as added
for each statement execute function private.tg_storage_objects__count();

create trigger _420_count_delete
after delete on storage.objects referencing old table as removed
for each statement execute function private.tg_storage_objects__count();

-- What was stored before.
set local row_security = off;
insert into private.storage_usage (user_id, bucket_id, objects, bytes)
select
    private.folder_owner(o.name), o.bucket_id, count(*), coalesce(sum(private.object_bytes(o.metadata)), 0)
from storage.objects as o
where (o.bucket_id, o.name) is not null
group by 1, 2;
insert into private.storage_usage (user_id, bucket_id, objects, bytes)
select u.user_id, '', sum(u.objects), sum(u.bytes) from private.storage_usage as u
where u.user_id <> '00000000-0000-0000-0000-000000000000'
group by 1;
set local role app_owner;

alter table private.storage_usage enable row level security;
alter table private.storage_usage force row level security;
alter table private.storage_quotas enable row level security;
alter table private.storage_quotas force row level security;
