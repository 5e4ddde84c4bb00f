-- 0012 audio_recordings: what people have spoken into a project; the sound lies in the object store, the words here.
-- Lock: share row exclusive on public.projects and public.users for the foreign keys. Duration: instant.
-- Down: loses every transcript and the record of every file; the files stay in the object store.

create table public.audio_recordings (
    id uuid not null default private.uuid_v7(),
    project_id uuid not null,
    created_by uuid default auth.uid(),
    title text not null default '',
    -- The one bucket of projects; where there are several, a recording has to name its own.
    bucket_id text not null default private.only_bucket_of('projects'),
    object_path text not null,
    mime_type text not null,
    bytes bigint not null,
    duration_ms bigint,
    sample_rate bigint,
    transcript text not null default '',
    scan_status text not null default 'pending',
    scanned_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint audio_recordings_pkey primary key (id),
    -- No reference to storage.objects: the Storage API owns that table, and recreates a row when a file is replaced.
    -- One file is one recording, so that deleting a row can never take away another row's file.
    constraint audio_recordings_bucket_id_object_path_key unique (bucket_id, object_path),
    constraint audio_recordings_project_id_fkey foreign key (project_id)
    references public.projects (id) on delete cascade,
    -- In a shared project the recording stays when the person who spoke it leaves.
    constraint audio_recordings_created_by_fkey foreign key (created_by)
    references public.users (id) on delete set null,
    constraint audio_recordings_title_check check (char_length(title) <= 200),
    -- Deleting the row deletes the file of this name, so it must be one name however it is read: private.is_file_name.
    constraint audio_recordings_object_path_check check (
        char_length(object_path) <= 850 and object_path ~ '^[A-Za-z0-9_/!.*''() &$@=;:+,?-]+$'
        and object_path !~ '(^|/)\.{0,2}(/|$)'
    ),
    -- A project owns its files: anyone who may edit it may replace them, and they go with it and with nobody else.
    constraint audio_recordings_project_id_object_path_check check (
        starts_with(object_path, project_id::text || '/')
    ),
    constraint audio_recordings_mime_type_check check (
        mime_type ~ '^audio/[a-z0-9][a-z0-9.+-]*$' and char_length(mime_type) <= 100
    ),
    constraint audio_recordings_bytes_check check (bytes > 0),
    constraint audio_recordings_duration_ms_check check (duration_ms between 0 and 86400000),
    constraint audio_recordings_sample_rate_check check (sample_rate between 4000 and 768000),
    constraint audio_recordings_transcript_check check (char_length(transcript) <= 1000000),
    constraint audio_recordings_scan_status_check check (scan_status in ('pending', 'clean', 'infected', 'failed')),
    constraint audio_recordings_scanned_at_check check (scan_status = 'pending' or scanned_at is not null)
);

alter table public.audio_recordings enable row level security;
alter table public.audio_recordings force row level security;

-- A project's recordings, newest first; also the foreign key's look-up and the row policy's.
create unique index audio_recordings_project_id_created_at_id_idx
on public.audio_recordings (project_id, created_at desc, id desc);

-- A deleted row tells subscribers its replica identity: the id alone would not say of which project it was.
alter table public.audio_recordings replica identity using index audio_recordings_project_id_created_at_id_idx;

-- What a person has recorded anywhere.
create index audio_recordings_created_by_created_at_id_idx
on public.audio_recordings (created_by, created_at desc, id desc);

-- The scanner's work list, oldest first: a handful of rows out of all there are.
create index audio_recordings_created_at_id_idx on public.audio_recordings (created_at, id)
where scan_status = 'pending';

comment on table public.audio_recordings is 'Recordings in a project: where the file lies, what it is, what was said.';
comment on column public.audio_recordings.id is 'Key, ordered by time of making.';
comment on column public.audio_recordings.project_id is 'The project it belongs to.';
comment on column public.audio_recordings.created_by is 'Who recorded it; null if that person is gone.';
comment on column public.audio_recordings.title is 'Name, may be empty.';
comment on column public.audio_recordings.bucket_id is 'The storage bucket of the file, which is one of projects.';
comment on column public.audio_recordings.object_path is 'The file, in the folder of its project.';
comment on column public.audio_recordings.mime_type is 'Type of the file as it is stored, audio/….';
comment on column public.audio_recordings.bytes is 'Size of the file as it is stored.';
comment on column public.audio_recordings.duration_ms is 'Length in milliseconds, null while unknown.';
comment on column public.audio_recordings.sample_rate is 'Samples a second, null while unknown.';
comment on column public.audio_recordings.transcript is 'What was said, may be empty.';
comment on column public.audio_recordings.scan_status is 'What the virus scanner found; nothing plays until clean.';
comment on column public.audio_recordings.scanned_at is 'When the scanner was done.';
comment on column public.audio_recordings.created_at is 'When it was recorded.';
comment on column public.audio_recordings.updated_at is 'When it last changed, set by trigger.';

create trigger _100_updated_at
before update on public.audio_recordings
for each row execute function private.tg__updated_at();

-- What no foreign key can cascade to: the file. Definer, since nobody else may write the queue. With the project go all
-- its files, recorded or not, by a trigger of its own: there is nothing to queue here then, nor where its owner has
-- left, and it is to go.
create function private.tg_audio_recordings__queue_deletion() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.deletion_queue (bucket_id, object_path)
    select OLD.bucket_id, OLD.object_path from public.projects as p
    where p.id = OLD.project_id and not exists (select from private.departures as d where d.user_id = p.owner_id);
    return null;
end
$$;

comment on function private.tg_audio_recordings__queue_deletion() is 'Trigger, after delete: the file is to go too.';

revoke execute on function private.tg_audio_recordings__queue_deletion() from public;

create trigger _200_queue_deletion
after delete on public.audio_recordings
for each row execute function private.tg_audio_recordings__queue_deletion();

-- A file that was replaced belongs to no recording any more.
create trigger _210_queue_replaced
after update of bucket_id, object_path on public.audio_recordings
for each row when (
    (old.bucket_id, old.object_path) is distinct from (new.bucket_id, new.object_path)
)
execute function private.tg_audio_recordings__queue_deletion();

create trigger _400_date_projects_insert
after insert on public.audio_recordings
referencing new table as changed
for each statement execute function private.tg__date_projects();

-- Of what people write: a new verdict on a thousand files is no reason to show a thousand projects first.
create trigger _400_date_project_update
after update of title, transcript on public.audio_recordings
for each row when ((old.title, old.transcript) is distinct from (new.title, new.transcript))
execute function private.tg__date_project();

create trigger _400_date_projects_delete
after delete on public.audio_recordings
referencing old table as changed
for each statement execute function private.tg__date_projects();
