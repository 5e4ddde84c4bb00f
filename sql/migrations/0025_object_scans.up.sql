-- 0025 object_scans: what the scanner found in each stored file, in every bucket; who isn't its owner waits for clean.
-- Lock: share row exclusive on storage.objects. Duration: reads its rows once and writes a row for each.
-- Down: loses every verdict, and what was found harmful; should it come back, every file is scanned again.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. What is copied below is copied before row security binds the new table.
set local row_security = on;

-- Not in storage.objects: the Storage API owns its columns, and lets clients write user_metadata. Not by the object's
-- id either: an overwrite keeps it. A verdict is about the bytes under one key of the object store, and ends with them.
-- Vacuumed early: what is settled leaves the index of what waits, which the scanner reads from its beginning.
create table private.object_scans (
    bucket_id text not null,
    name text not null,
    version text not null,
    owner_id text,
    mime_type text,
    status text not null default 'pending',
    found text,
    decided_by text,
    attempts bigint not null default 0,
    due_at timestamptz not null default now(),
    queued_at timestamptz not null default now(),
    scanned_at timestamptz,
    constraint object_scans_pkey primary key (bucket_id, name, version),
    constraint object_scans_status_check check (status in ('pending', 'clean', 'infected', 'refused', 'failed')),
    constraint object_scans_scanned_at_check check ((status = 'pending') = (scanned_at is null)),
    constraint object_scans_attempts_check check (attempts >= 0)
) with (autovacuum_vacuum_scale_factor = 0.01);

-- What waits, longest first: a handful of rows out of all there are.
create index object_scans_due_at_idx on private.object_scans (due_at) where status = 'pending';
-- What was given up, to be tried again.
create index object_scans_failed_idx on private.object_scans (queued_at) where status = 'failed';
-- What was found harmful in a person's folder is found without reading the rest: as few rows; in byte order, as the
-- names of storage.objects are asked for.
create index object_scans_name_idx
on private.object_scans (name collate "C") where status in ('infected', 'refused');

comment on table private.object_scans is 'What the scanner found in each version of each stored file.';
comment on column private.object_scans.bucket_id is 'The storage bucket.';
comment on column private.object_scans.name is 'The object in it.';
comment on column private.object_scans.version is 'Which file, as storage.objects has it.';
comment on column private.object_scans.owner_id is 'Who uploaded it, null if nobody says; gets bad news.';
comment on column private.object_scans.mime_type is 'What it was declared to be, null if nothing was.';
comment on column private.object_scans.status is 'pending, clean, infected, refused (not what it says) or failed.';
comment on column private.object_scans.found is 'Why it isn''t clean: a signature, the real type, a reason.';
comment on column private.object_scans.decided_by is 'Engine and signatures, or a person and why; null: nobody.';
comment on column private.object_scans.attempts is 'How often a scanner took it; what it settles must name this.';
comment on column private.object_scans.due_at is 'When the next scanner may take it.';
comment on column private.object_scans.queued_at is 'When it was stored.';
comment on column private.object_scans.scanned_at is 'When the scanner was done, null while pending.';

-- Definer: the role that stores a file has no right to the queue. The Storage API tries an insert and takes it back
-- before the bytes are there; the queue's row goes back with it.
create function private.tg_storage_objects__queue_scan() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    -- What an overwrite, a move or a delete leaves behind; what was found harmful stays on record.
    if TG_OP <> 'INSERT' then
        delete from private.object_scans as s
        where (s.bucket_id, s.name, s.version) = (OLD.bucket_id, OLD.name, OLD.version)
            and s.status not in ('infected', 'refused');
    end if;
    if TG_OP <> 'DELETE' and (NEW.bucket_id, NEW.name, NEW.version) is not null then
        insert into private.object_scans (bucket_id, name, version, owner_id, mime_type)
        values (
            NEW.bucket_id, NEW.name, NEW.version, coalesce(NEW.owner_id, NEW.owner::text), NEW.metadata ->> 'mimetype'
        )
        on conflict on constraint object_scans_pkey do nothing;
        -- The recording is of another file now; its own trigger looks what that is.
        update public.audio_recordings as r set object_path = r.object_path
        where (r.bucket_id, r.object_path) = (NEW.bucket_id, NEW.name);
    end if;
    return null;
end
$$;

-- Before its bytes are there, the Storage API tries a row without size. What isn't a number is none.
create function private.object_bytes(metadata jsonb) returns bigint
language sql immutable
set search_path = ''
return coalesce(
    case when metadata ->> 'size' ~ '^[0-9]{1,15}$' then (metadata ->> 'size')::bigint end,
    case when metadata ->> 'contentLength' ~ '^[0-9]{1,15}$' then (metadata ->> 'contentLength')::bigint end
);

-- What a recording's file is, nobody says who writes the recording down: it is looked up, with the verdict, be the file
-- scanned already or not. Definer, as above. The lock makes a scanner that settles the same file right now, or an
-- upload that replaces it, wait or be waited for; so the file is looked up behind it.
create function private.tg_audio_recordings__take_file() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    file record;
begin
    -- Row security, which comes after, refuses this: whether the project has such a file isn't said.
    if TG_OP = 'INSERT' and not (private.is_server() or private.may_edit(NEW.project_id)) then
        return NEW;
    end if;
    -- Nor is it of another project's; the table's own check comes too late.
    if private.bucket_access(NEW.bucket_id) <> 'projects'
        or not starts_with(NEW.object_path, NEW.project_id::text || '/')
    then
        raise exception using
            errcode = 'check_violation',
            message = format('recording %s/%s: is not in the folder of its project', NEW.bucket_id, NEW.object_path),
            hint = 'Name a file of a bucket of projects, as <project id>/<name>.';
    end if;
    perform from private.object_scans as s
    where s.bucket_id = NEW.bucket_id and s.name = NEW.object_path
    for share;
    select private.object_bytes(o.metadata) as bytes,
        lower(trim(split_part(o.metadata ->> 'mimetype', ';', 1))) as type, s.status, s.scanned_at
    into file
    from storage.objects as o
    left join private.object_scans as s on (s.bucket_id, s.name, s.version) = (o.bucket_id, o.name, o.version)
    where o.bucket_id = NEW.bucket_id and o.name = NEW.object_path;
    if not found then
        raise exception using
            errcode = 'foreign_key_violation',
            message = format('recording %s/%s: there is no such file', NEW.bucket_id, NEW.object_path),
            hint = 'Store the file first, under <project id>/<name>.';
    end if;
    -- While an upload is only tried, or signed, less may be known of it than of what it is to replace.
    NEW.bytes = coalesce(file.bytes, case when TG_OP = 'UPDATE' then OLD.bytes end);
    NEW.mime_type = coalesce(file.type, case when TG_OP = 'UPDATE' then OLD.mime_type end);
    if NEW.mime_type not like 'audio/%' or NEW.mime_type is null or NEW.bytes is null or NEW.bytes = 0 then
        raise exception using
            errcode = 'check_violation',
            message = format('recording %s/%s: its file is no sound', NEW.bucket_id, NEW.object_path),
            detail = format(
                'It has %s bytes of type %s.', coalesce(NEW.bytes::text, 'unknown'), coalesce(NEW.mime_type, 'unknown')
            ),
            hint = 'Store it as audio/…, with its size.';
    end if;
    NEW.scan_status = replace(coalesce(file.status, 'pending'), 'refused', 'failed');
    NEW.scanned_at = file.scanned_at;
    return NEW;
end
$$;

-- Definer: the scanner reaches the queue by these three and not by the table. Ten minutes without an end, and another
-- one may try: what it takes is its own by the number of the attempt. Materialized, so that it runs once: a subquery
-- that a nested loop runs for each row of the queue would lock other files each time.
create function private.take_scans(count integer)
returns table (bucket_id text, name text, version text, mime_type text, attempt bigint)
language sql volatile security definer
set search_path = ''
rows 10
as $$
    with taken as materialized (
        select w.bucket_id, w.name, w.version, w.due_at from private.object_scans as w
        where w.status = 'pending' and w.due_at <= now()
        order by w.due_at
        limit private.at_most(count, 100)
        for update skip locked
    ), begun as (
        update private.object_scans as s set due_at = now() + interval '10 minutes', attempts = s.attempts + 1
        from taken
        where (s.bucket_id, s.name, s.version) = (taken.bucket_id, taken.name, taken.version)
        returning s.bucket_id, s.name, s.version, s.mime_type, s.attempts, taken.due_at
    )
    select b.bucket_id, b.name, b.version, b.mime_type, b.attempts from begun as b order by b.due_at, b.version
$$;

-- Without a wait it is given back: nobody could look at it, so that the attempt is none.
create function private.retry_scan(bucket text, object text, object_version text, attempt bigint, wait interval)
returns boolean
language sql volatile security definer
set search_path = ''
as $$
    with again as (
        update private.object_scans as s
        set due_at = now() + coalesce(wait, interval '0'), attempts = s.attempts - (wait is null)::integer
        where (s.bucket_id, s.name, s.version) = (bucket, object, object_version)
            and s.attempts = attempt and s.status = 'pending'
        returning 1
    )
    select exists (select 1 from again)
$$;

create function private.settle_scan(
    bucket text, object text, object_version text, attempt bigint, verdict text, reason text, engine text
) returns boolean
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    uploader text;
    project uuid;
begin
    update private.object_scans as s set status = verdict, found = reason, decided_by = engine, scanned_at = now()
    where (s.bucket_id, s.name, s.version) = (bucket, object, object_version)
        and s.attempts = attempt and s.status = 'pending'
    returning s.owner_id into uploader;
    -- Settled by another scanner meanwhile, or overwritten.
    if not found then
        return false;
    end if;
    -- To people who wait for the recording, a file that isn't what it says is one that can't be used.
    update public.audio_recordings as r
    set scan_status = replace(verdict, 'refused', 'failed'), scanned_at = now()
    where r.bucket_id = bucket and r.object_path = object
    returning r.project_id into project;
    -- Compared as text: an uploader need not be a person of ours.
    if verdict <> 'clean' then
        insert into analytics.user_activity (user_id, project_id, action, details)
        select u.id, project, 'storage.' || verdict,
            jsonb_build_object('bucket', bucket, 'name', object, 'found', reason)
        from public.users as u where u.id = private.as_uuid(uploader);
    end if;
    return true;
end
$$;

create function private.reopen_scans() returns bigint
language sql volatile security definer
set search_path = ''
as $$
    with again as (
        update private.object_scans as s
        set
            status = 'pending', found = null, decided_by = null, attempts = 0, due_at = now(), queued_at = now(),
            scanned_at = null
        where s.status = 'failed'
        returning s.bucket_id, s.name
    ), recordings as (
        update public.audio_recordings as r set scan_status = 'pending', scanned_at = null
        from again where (r.bucket_id, r.object_path) = (again.bucket_id, again.name)
    )
    select count(*) from again
$$;

-- A person's verdict in the place of the scanner's; what there was before it. The file is put back by the caller, who
-- asks again if that is not done: what was released already is no entry more.
create function private.release_file(
    bucket text, object text, object_version text, reason text, person text, even_infected boolean
) returns text
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    file private.object_scans;
    place constant text = format('object %s/%s, version %s', bucket, object, object_version);
    project uuid;
begin
    if coalesce(trim(reason), '') = '' or coalesce(trim(person), '') = '' then
        raise exception using
            errcode = 'invalid_parameter_value', message = format('%s: is released for a reason, by somebody', place);
    end if;
    select s.* into file from private.object_scans as s
    where (s.bucket_id, s.name, s.version) = (bucket, object, object_version)
    for update;
    if file.decided_by like 'released by %' then
        return file.status;
    end if;
    if file.status is null or file.status in ('pending', 'clean') then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = format('%s: is %s, nothing to release', place, coalesce(file.status, 'of no verdict'));
    end if;
    if file.status = 'infected' and not coalesce(even_infected, false) then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = format('%s: is infected: %s', place, file.found),
            hint = 'Who is certain that it is harmless says --infected.';
    end if;
    if not exists (
        select from storage.objects as o
        where (o.bucket_id, o.name, o.version) = (bucket, object, object_version)
    ) then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = format('%s: was deleted or replaced by now, nothing to release', place);
    end if;
    update private.object_scans as s
    set status = 'clean', found = null, decided_by = format('released by %s: %s', person, reason), scanned_at = now()
    where (s.bucket_id, s.name, s.version) = (bucket, object, object_version);
    update public.audio_recordings as r set scan_status = 'clean', scanned_at = now()
    where r.bucket_id = bucket and r.object_path = object
    returning r.project_id into project;
    insert into analytics.user_activity (user_id, project_id, action, details)
    select u.id, project, 'storage.released', jsonb_build_object('bucket', bucket, 'name', object)
    from public.users as u where u.id = private.as_uuid(file.owner_id);
    return file.status;
end
$$;

-- By who writes the row, and with it: an entry without a file, or a file without an entry, is neither there.
create function private.note_restored(
    bucket text, object text, object_version text, former_version text, reason text, person text
) returns boolean
language sql volatile security definer
set search_path = ''
as $$
    with noted as (
        update private.object_scans as s
        set decided_by = concat_ws(
            ', ', s.decided_by, format('restored by %s from version %s: %s', person, former_version, reason)
        )
        where (s.bucket_id, s.name, s.version) = (bucket, object, object_version)
            and exists (
                select from storage.objects as o
                where (o.bucket_id, o.name, o.version, o.created_at) = (bucket, object, object_version, now())
            )
        returning 1
    )
    select exists (select 1 from noted)
$$;

-- What a person does goes into the audit log; the scanner's own verdicts are no changes of anybody's.
create function private.tg_object_scans__record() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    perform private.audit_write(
        'private.object_scans', 'update', array[NEW.version],
        array[jsonb_build_object('status', OLD.status, 'found', OLD.found, 'decided_by', OLD.decided_by)],
        array[jsonb_build_object(
            'bucket_id', NEW.bucket_id, 'name', NEW.name, 'status', NEW.status, 'decided_by', NEW.decided_by
        )],
        array[null]::text[]
    );
    return null;
end
$$;

create function private.as_uuid(value text) returns uuid
language sql immutable
set search_path = ''
return case when value ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then value::uuid end;

-- Definer: row policies on storage.objects ask it, and those whom they bind have no right to the table.
create function private.is_clean(bucket text, object text, object_version text) returns boolean
language sql stable security definer
set search_path = ''
as $$
    select exists (
        select 1 from private.object_scans as s
        where (s.bucket_id, s.name, s.version) = (bucket, object, object_version) and s.status = 'clean'
    )
$$;

-- What the scanner's login sees; the work is done in schema private, to which it has no key.
create function ops.take_scans(count integer)
returns table (bucket_id text, name text, version text, mime_type text, attempt bigint)
language sql volatile
set search_path = ''
begin atomic
    select t.bucket_id, t.name, t.version, t.mime_type, t.attempt from private.take_scans(count) as t;
end;

create function ops.retry_scan(bucket text, object text, object_version text, attempt bigint, wait interval)
returns boolean
language sql volatile
set search_path = ''
return private.retry_scan(bucket, object, object_version, attempt, wait);

create function ops.settle_scan(
    bucket text, object text, object_version text, attempt bigint, verdict text, reason text, engine text
) returns boolean
language sql volatile
set search_path = ''
return private.settle_scan(bucket, object, object_version, attempt, verdict, reason, engine);

create function ops.reopen_scans() returns bigint
language sql volatile
set search_path = ''
return private.reopen_scans();

create function ops.release_file(
    bucket text, object text, object_version text, reason text, person text, even_infected boolean
) returns text
language sql volatile
set search_path = ''
return private.release_file(bucket, object, object_version, reason, person, even_infected);

create function ops.note_restored(
    bucket text, object text, object_version text, former_version text, reason text, person text
) returns boolean
language sql volatile
set search_path = ''
return private.note_restored(bucket, object, object_version, former_version, reason, person);

comment on function private.tg_storage_objects__queue_scan() is 'Trigger: a stored file is to be scanned.';
comment on function private.object_bytes(jsonb) is 'How large a file is said to be, null if nothing is said.';
comment on function private.tg_audio_recordings__take_file() is 'Trigger: what its file is, and whether it is clean.';
comment on function private.take_scans(integer) is 'Takes the next files; others skip them for 10 minutes.';
comment on function private.retry_scan(text, text, text, bigint, interval) is
'A scan that failed is due again later; null: it was none.';
comment on function private.settle_scan(text, text, text, bigint, text, text, text) is
'Notes a verdict and who came to it; notifies the owner.';
comment on function private.reopen_scans() is 'What was given up is due again; how many files.';
comment on function private.release_file(text, text, text, text, text, boolean) is 'See ops.release_file.';
comment on function private.note_restored(text, text, text, text, text, text) is 'See ops.note_restored.';
comment on function private.tg_object_scans__record() is 'Trigger: what a person says of a file, into the audit log.';
comment on function private.as_uuid(text) is 'The uuid that a text is, null if it is none.';
comment on function private.is_clean(text, text, text) is 'Whether this version of an object was scanned clean.';
comment on function ops.take_scans(integer) is 'For the scanner: the next files, each with the number of the attempt.';
comment on function ops.retry_scan(text, text, text, bigint, interval) is
'For the scanner: later, this failed; null: at once, it was none.';
comment on function ops.settle_scan(text, text, text, bigint, text, text, text) is
'For the scanner: the verdict on a file, and by which engine.';
comment on function ops.reopen_scans() is 'For the scanner: what was given up is due again; how many files.';
comment on function ops.release_file(text, text, text, text, text, boolean) is
'A file is clean, a person says; into the audit log. The verdict that there was before.';
comment on function ops.note_restored(text, text, text, text, text, text) is
'Notes in the audit log that a deleted file was had back, in the transaction that writes its row.';

revoke execute on function private.tg_storage_objects__queue_scan() from public;
revoke execute on function private.object_bytes(jsonb) from public;
revoke execute on function private.tg_audio_recordings__take_file() from public;
revoke execute on function private.take_scans(integer) from public;
revoke execute on function private.retry_scan(text, text, text, bigint, interval) from public;
revoke execute on function private.settle_scan(text, text, text, bigint, text, text, text) from public;
revoke execute on function private.reopen_scans() from public;
revoke execute on function private.release_file(text, text, text, text, text, boolean) from public;
revoke execute on function private.note_restored(text, text, text, text, text, text) from public;
revoke execute on function private.tg_object_scans__record() from public;
revoke execute on function private.as_uuid(text) from public;
revoke execute on function private.is_clean(text, text, text) from public;
revoke execute on function ops.take_scans(integer) from public;
revoke execute on function ops.retry_scan(text, text, text, bigint, interval) from public;
revoke execute on function ops.settle_scan(text, text, text, bigint, text, text, text) from public;
revoke execute on function ops.reopen_scans() from public;
revoke execute on function ops.release_file(text, text, text, text, text, boolean) from public;
revoke execute on function ops.note_restored(text, text, text, text, text, text) from public;

create trigger _900_record
after update of decided_by on private.object_scans
for each row when (
    new.decided_by is distinct from old.decided_by
    and (starts_with(new.decided_by, 'released by ') or new.decided_by like '%restored by %')
)
execute function private.tg_object_scans__record();
-- As with all that is recorded: a session that calls itself a replica is too.
alter table private.object_scans enable always trigger _900_record;

create trigger _050_take_file
before insert or update of bucket_id, object_path, mime_type, bytes on public.audio_recordings
for each row execute function private.tg_audio_recordings__take_file();

-- The platform's own table: only the login has a right to it by its owner and to our function by ours.
reset role;
create trigger _300_queue_scan
after insert or delete on storage.objects
for each row execute function private.tg_storage_objects__queue_scan();

-- The type is part of the verdict: what was found to be a sound isn't served as a page.
create trigger _310_queue_rescan
after update of bucket_id, name, version, metadata on storage.objects
for each row when (
    (
        old.bucket_id, old.name, old.version, old.metadata ->> 'mimetype', old.metadata ->> 'size'
    ) is distinct from (
        new.bucket_id, new.name, new.version, new.metadata ->> 'mimetype', new.metadata ->> 'size'
    )
)
execute function private.tg_storage_objects__queue_scan();

-- What was stored before there was a scanner. Who may not see all of it fails here, in place of copying less.
set local row_security = off;
insert into private.object_scans (bucket_id, name, version, owner_id, mime_type, queued_at)
select o.bucket_id, o.name, o.version, coalesce(o.owner_id, o.owner::text), o.metadata ->> 'mimetype', o.created_at
from storage.objects as o
where (o.bucket_id, o.name, o.version, o.created_at) is not null;
set local role app_owner;

alter table private.object_scans enable row level security;
alter table private.object_scans force row level security;
