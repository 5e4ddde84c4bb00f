-- 0036 storage_days: how much is stored in each bucket, day by day, so that growth can be seen.
-- Lock: new table and functions only, none. Duration: instant.
-- Down: loses the figures of the days that were noted.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

create table analytics.storage_days (
    day date not null,
    bucket_id text not null,
    objects bigint not null,
    bytes bigint not null,
    kept_bytes bigint not null default 0,
    constraint storage_days_pkey primary key (day, bucket_id),
    constraint storage_days_objects_check check (objects >= 0),
    constraint storage_days_bytes_check check (bytes >= 0)
);

alter table analytics.storage_days enable row level security;
alter table analytics.storage_days force row level security;

comment on table analytics.storage_days is
'What was stored in each bucket at the end of each day; for administrators only.';
comment on column analytics.storage_days.day is 'Which day, in UTC; today''s row is as it was noted last.';
comment on column analytics.storage_days.bucket_id is 'The storage bucket.';
comment on column analytics.storage_days.objects is 'How many objects.';
comment on column analytics.storage_days.bytes is 'How large they are together, by their rows.';
comment on column analytics.storage_days.kept_bytes is 'Bytes that the object store holds beside them, as last noted.';

-- Definer: the login that does the housekeeping reads no usage. What was emptied has no usage any more, and a day of
-- nothing; so has a bucket that is gone, once.
create function private.note_storage() returns bigint
language sql volatile security definer
set search_path = ''
as $$
    with noted as (
        insert into analytics.storage_days as d (day, bucket_id, objects, bytes, kept_bytes)
        select
            (now() at time zone 'UTC')::date, b.id,
            coalesce(sum(u.objects), 0), coalesce(sum(u.bytes), 0), coalesce(sum(u.kept_bytes), 0)
        from (
            select s.id from storage.buckets as s
            union
            select w.bucket_id from private.storage_usage as w where w.bucket_id <> ''
            union
            select l.bucket_id from (
                select distinct on (p.bucket_id) p.bucket_id, p.objects, p.kept_bytes from analytics.storage_days as p
                order by p.bucket_id, p.day desc
            ) as l
            where (l.objects, l.kept_bytes) <> (0, 0)
        ) as b (id)
        left join private.storage_usage as u on u.bucket_id = b.id
        group by b.id
        on conflict on constraint storage_days_pkey do update
        set objects = excluded.objects, bytes = excluded.bytes, kept_bytes = excluded.kept_bytes
        returning 1
    )
    select count(*) from noted
$$;

create function ops.note_storage() returns bigint
language sql volatile
set search_path = ''
return private.note_storage();

comment on function private.note_storage() is 'See ops.note_storage.';
comment on function ops.note_storage() is 'Notes what is stored in each bucket today; how many buckets.';

revoke execute on function private.note_storage() from public;
revoke execute on function ops.note_storage() from public;
