-- 0011 deletion_queue: files whose row is gone, for the app's server to delete from the object store.
-- Lock: new table only, none. Duration: instant.
-- Down: loses the queue: files that wait in it stay in the object store and are paid for.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- Deleting a row of storage.objects in SQL would orphan its file, and no transaction reaches the object store: so what
-- must go is written down with the delete itself, and done by the server afterwards, as often as it takes.
create table private.deletion_queue (
    id uuid not null default private.uuid_v7(),
    bucket_id text not null,
    object_path text not null,
    queued_at timestamptz not null default now(),
    taken_at timestamptz,
    attempts bigint not null default 0,
    constraint deletion_queue_pkey primary key (id),
    constraint deletion_queue_attempts_check check (attempts >= 0)
);

alter table private.deletion_queue enable row level security;
alter table private.deletion_queue force row level security;

-- Never taken comes first, then whatever was taken longest ago and never finished.
create index deletion_queue_taken_at_id_idx on private.deletion_queue (taken_at nulls first, id);

comment on table private.deletion_queue is 'Files to delete from the object store; a row goes when its file is gone.';
comment on column private.deletion_queue.id is 'Key, in order of queueing.';
comment on column private.deletion_queue.bucket_id is 'The storage bucket.';
comment on column private.deletion_queue.object_path is 'The file in it.';
comment on column private.deletion_queue.queued_at is 'When its row was deleted.';
comment on column private.deletion_queue.taken_at is 'When a worker last took it; null if none did.';
comment on column private.deletion_queue.attempts is 'How often it was taken.';

-- Definer: nobody but the app's servers may reach the queue, by these two and not by the table.
create function private.take_deletions(count integer) returns setof private.deletion_queue
language sql volatile security definer
set search_path = ''
rows 100
as $$
    -- "skip locked" lets several workers share the queue; ten minutes without an end, and another one may try. As an
    -- array the keys are looked up one by one; "in" would be planned as a join with the whole queue.
    update private.deletion_queue as q set taken_at = now(), attempts = q.attempts + 1
    where q.id = any (array(
        select w.id from private.deletion_queue as w
        where w.taken_at is null or w.taken_at < now() - interval '10 minutes'
        order by w.taken_at nulls first, w.id
        limit private.at_most(count, 1000)
        for update skip locked
    ))
    returning q.*
$$;

create function private.finish_deletions(ids uuid[]) returns integer
language sql volatile security definer
set search_path = ''
as $$
    with gone as (delete from private.deletion_queue where id = any (ids) returning 1)
    select count(*)::integer from gone
$$;

-- What PostgREST shows; the work is done in schema private, which it does not.
create function public.take_deletions(count integer)
returns table (id uuid, bucket_id text, object_path text, attempts bigint)
language sql volatile
set search_path = ''
begin atomic
    select t.id, t.bucket_id, t.object_path, t.attempts from private.take_deletions(count) as t;
end;

create function public.finish_deletions(ids uuid[]) returns integer
language sql volatile
set search_path = ''
return private.finish_deletions(ids);

comment on function private.take_deletions(integer) is 'Takes the next files; others skip them for 10 minutes.';
comment on function private.finish_deletions(uuid[]) is 'Strikes deleted files off the queue; how many there were.';
comment on function public.take_deletions(integer) is 'For the app''s server: the next files to delete.';
comment on function public.finish_deletions(uuid[]) is 'For the app''s server: these files are deleted.';

revoke execute on function private.take_deletions(integer) from public;
revoke execute on function private.finish_deletions(uuid[]) from public;
revoke execute on function public.take_deletions(integer) from public;
revoke execute on function public.finish_deletions(uuid[]) from public;
