-- 0035 file_events: what became of each stored file, for the app's server to fetch: stored, and the verdict on it.
-- Lock: share row exclusive on private.object_scans for its triggers. Duration: instant.
-- Down: loses events that nobody has fetched yet.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- Written with what it is about: no event is lost with a server that dies, none is of what was taken back.
create table private.file_events (
    id uuid not null default private.uuid_v7(),
    bucket_id text not null,
    object_path text not null,
    version text not null,
    event text not null,
    happened_at timestamptz not null default now(),
    taken_at timestamptz,
    attempts bigint not null default 0,
    constraint file_events_pkey primary key (id),
    constraint file_events_event_check check (event in ('stored', 'clean', 'infected', 'refused', 'failed')),
    constraint file_events_attempts_check check (attempts >= 0)
);

alter table private.file_events enable row level security;
alter table private.file_events force row level security;

-- Never taken comes first, then whatever was taken longest ago and never finished.
create index file_events_taken_at_id_idx on private.file_events (taken_at nulls first, id);

comment on table private.file_events is
'What became of stored files; a row goes when the app''s server has dealt with it.';
comment on column private.file_events.id is 'Key, in order of what happened.';
comment on column private.file_events.bucket_id is 'The storage bucket.';
comment on column private.file_events.object_path is 'The object''s name in it.';
comment on column private.file_events.version is 'Which file, as storage.objects has it.';
comment on column private.file_events.event is 'stored, or the verdict: clean, infected, refused or failed.';
comment on column private.file_events.happened_at is 'When.';
comment on column private.file_events.taken_at is 'When a worker last took it; null if none did.';
comment on column private.file_events.attempts is 'How often it was taken.';

-- Definer: who stores a file, or settles it, has no right to the events.
create function private.tg_object_scans__note_event() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.file_events (bucket_id, object_path, version, event)
    values (NEW.bucket_id, NEW.name, NEW.version, case NEW.status when 'pending' then 'stored' else NEW.status end);
    return null;
end
$$;

create trigger _300_note_stored
after insert on private.object_scans
for each row execute function private.tg_object_scans__note_event();

-- Not what is due again.
create trigger _310_note_settled
after update of status on private.object_scans
for each row when (old.status <> new.status and new.status <> 'pending')
execute function private.tg_object_scans__note_event();

create function private.take_file_events(count integer) returns setof private.file_events
language sql volatile security definer
set search_path = ''
rows 100
as $$
    -- As private.take_deletions does, and for the same reasons.
    with taken as (
        update private.file_events as e set taken_at = now(), attempts = e.attempts + 1
        where e.id = any (array(
            select w.id from private.file_events as w
            where w.taken_at is null or w.taken_at < now() - interval '10 minutes'
            order by w.taken_at nulls first, w.id
            limit private.at_most(count, 1000)
            for update skip locked
        ))
        returning e.*
    )
    select t.* from taken as t order by t.id
$$;

create function private.finish_file_events(ids uuid[]) returns integer
language sql volatile security definer
set search_path = ''
as $$
    with gone as (delete from private.file_events where id = any (ids) returning 1)
    select count(*)::integer from gone
$$;

-- A server that fetches none must not fill the disk. By key: ids begin with the time at which they were made.
create function private.forget_file_events() returns bigint
language sql volatile security definer
set search_path = ''
as $$
    with gone as (
        delete from private.file_events as e where e.id < private.first_uuid(now() - interval '7 days')
        returning 1
    )
    select count(*) from gone
$$;

-- What PostgREST shows; the work is done in schema private, which it does not.
create function public.take_file_events(count integer)
returns table (
    id uuid, bucket_id text, object_path text, version text, event text, happened_at timestamptz, attempts bigint
)
language sql volatile
set search_path = ''
begin atomic
    select t.id, t.bucket_id, t.object_path, t.version, t.event, t.happened_at, t.attempts
    from private.take_file_events(count) as t order by t.id;
end;

create function public.finish_file_events(ids uuid[]) returns integer
language sql volatile
set search_path = ''
return private.finish_file_events(ids);

create function ops.forget_file_events() returns bigint
language sql volatile
set search_path = ''
return private.forget_file_events();

comment on function private.tg_object_scans__note_event() is 'Trigger: a file was stored, or there is a verdict on it.';
comment on function private.take_file_events(integer) is 'Takes the next events; others skip them for 10 minutes.';
comment on function private.finish_file_events(uuid[]) is 'Strikes events off; how many there were.';
comment on function private.forget_file_events() is 'See ops.forget_file_events.';
comment on function public.take_file_events(integer) is
'For the app''s server: the next events of stored files, each at least once.';
comment on function public.finish_file_events(uuid[]) is 'For the app''s server: these events are dealt with.';
comment on function ops.forget_file_events() is 'Deletes events of more than 7 days ago; how many there were.';

revoke execute on function private.tg_object_scans__note_event() from public;
revoke execute on function private.take_file_events(integer) from public;
revoke execute on function private.finish_file_events(uuid[]) from public;
revoke execute on function private.forget_file_events() from public;
revoke execute on function public.take_file_events(integer) from public;
revoke execute on function public.finish_file_events(uuid[]) from public;
revoke execute on function ops.forget_file_events() from public;
