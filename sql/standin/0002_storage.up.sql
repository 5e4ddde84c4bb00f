-- 0002 storage: buckets and objects in the Storage API's final shape, so that the real server can start on them.
-- Lock: new tables only, none. Duration: instant.
-- Down: drops all of schema storage, what the Storage API added too; the files stay behind in the object store.

-- The API's own migrations end in "must be owner" if anybody else owns these, and they replace functions by signature:
-- parameter names can't differ either. It can all run again, since the API may have been here before us.
set local role supabase_storage_admin;

-- An enumeration knows no "if not exists".
do $$
begin
    if to_regtype('storage.buckettype') is null then
        create type storage.buckettype as enum ('STANDARD', 'ANALYTICS', 'VECTOR');
    end if;
end
$$;

create table if not exists storage.buckets (
    id text not null,
    name text not null,
    -- Left of a time when only uuids could own; a subject that is none goes to owner_id.
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    public boolean default false,
    avif_autodetection boolean default false,
    file_size_limit bigint,
    allowed_mime_types text[],
    owner_id text,
    type storage.buckettype not null default 'STANDARD',
    versioning_status text not null default 'DISABLED',
    constraint buckets_pkey primary key (id),
    constraint buckets_versioning_status_check check (versioning_status in ('DISABLED', 'ENABLED', 'SUSPENDED')),
    constraint buckets_versioning_standard_only_check check (type = 'STANDARD' or versioning_status = 'DISABLED'),
    -- The platform has versioning built but not let out: until it lifts this check, nothing but DISABLED is possible.
    constraint buckets_versioning_dark_check check (versioning_status = 'DISABLED')
);

create unique index if not exists bname on storage.buckets (name);

create table if not exists storage.objects (
    id uuid not null default gen_random_uuid(),
    bucket_id text,
    name text,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    last_accessed_at timestamptz default now(),
    metadata jsonb,
    path_tokens text[] generated always as (string_to_array(name, '/')) stored,
    -- Which file in the object store: its key ends in it, so an overwrite never shows half a file.
    version text,
    owner_id text,
    user_metadata jsonb,
    archived_at timestamptz,
    is_delete_marker boolean not null default false,
    is_versioned boolean not null default false,
    constraint objects_pkey primary key (id),
    -- The API looks for this very name. No action: a bucket with objects in it can't go, or their files are orphaned.
    constraint "objects_bucketId_fkey" foreign key (bucket_id) references storage.buckets (id) on delete no action
);

create unique index if not exists bucketid_objname on storage.objects (bucket_id, name);
create index if not exists name_prefix_search on storage.objects (name text_pattern_ops);
-- Byte order, whatever the database's collation: listings and our row policies ask for ranges of names.
create index if not exists idx_objects_bucket_id_name on storage.objects (bucket_id, name collate "C");
create index if not exists idx_objects_bucket_id_name_lower on storage.objects (bucket_id, lower(name) collate "C");

-- Not forced: the API's own login owns them and does its housekeeping as the owner, as on the platform.
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;

-- Folders of a path: all but the last part. 'a/b/c.ogg' gives {a,b}, a bare file name gives {}.
create or replace function storage.foldername(name text) returns text[]
language sql immutable
as $$
    select (string_to_array(name, '/'))[1:array_length(string_to_array(name, '/'), 1) - 1]
$$;

create or replace function storage.filename(name text) returns text
language sql immutable
as $$
    select split_part(name, '/', -1)
$$;

-- Without a dot it is the whole file name, as the platform has it: clients rely on it.
create or replace function storage.extension(name text) returns text
language sql immutable
as $$
    select split_part(split_part(name, '/', -1), '.', -1)
$$;

create or replace function storage.operation() returns text
language sql stable
as $$
    select current_setting('storage.operation', true)
$$;

-- The API names its operations storage.object.upload and the like; policies may leave the first part out.
create or replace function storage.allow_any_operation(expected_operations text[]) returns boolean
language sql stable
as $$
    select exists (
        select 1
        from unnest(expected_operations) as expected (operation)
        where expected.operation <> ''
            and regexp_replace(expected.operation, '^storage\.', '')
            = regexp_replace(storage.operation(), '^storage\.', '')
    )
$$;

create or replace function storage.allow_only_operation(expected_operation text) returns boolean
language sql stable
as $$
    select storage.allow_any_operation(array[expected_operation])
$$;

create or replace function storage.enforce_bucket_name_length() returns trigger
language plpgsql
as $$
begin
    if length(NEW.name) > 100 then
        raise exception 'bucket name "%" has % characters, at most 100 are allowed', NEW.name, length(NEW.name);
    end if;
    return NEW;
end
$$;

create or replace function storage.update_updated_at_column() returns trigger
language plpgsql
as $$
begin
    NEW.updated_at = now();
    return NEW;
end
$$;

-- A row deleted by SQL leaves its file behind, unreachable and paid for. Per statement, so that it speaks even where
-- row security would have hidden every row from the delete.
create or replace function storage.protect_delete() returns trigger
language plpgsql
as $$
begin
    if current_setting('storage.allow_delete_query', true) is distinct from 'true' then
        raise exception 'deleting from storage.% by sql would orphan files', TG_TABLE_NAME
            using errcode = 'insufficient_privilege',
                hint = 'Use the Storage API, or set storage.allow_delete_query for this transaction.';
    end if;
    return null;
end
$$;

create or replace trigger enforce_bucket_name_length_trigger
before insert or update of name on storage.buckets
for each row execute function storage.enforce_bucket_name_length();

create or replace trigger protect_buckets_delete
before delete on storage.buckets
for each statement execute function storage.protect_delete();

create or replace trigger update_objects_updated_at
before update on storage.objects
for each row execute function storage.update_updated_at_column();

create or replace trigger protect_objects_delete
before delete on storage.objects
for each statement execute function storage.protect_delete();

comment on table storage.buckets is 'Named containers of files; limits are enforced by the Storage API, not here.';
comment on column storage.buckets.owner is 'Deprecated on the platform, see owner_id.';
comment on column storage.buckets.file_size_limit is 'Largest file in bytes, null for the server''s own limit.';
comment on column storage.buckets.allowed_mime_types is 'Types or type/* that may be uploaded, null for any.';
comment on table storage.objects is 'One row per stored file; the bytes lie in the object store.';
comment on column storage.objects.owner is 'Deprecated on the platform, see owner_id.';
comment on column storage.objects.name is 'Path in the bucket; its first folder is what row policies look at.';
comment on column storage.objects.metadata is 'What the Storage API notes: size, mimetype, eTag, cacheControl.';
comment on function storage.foldername(text) is 'Folders of a path as an array.';
comment on function storage.filename(text) is 'Last part of a path.';
comment on function storage.extension(text) is 'What follows the last dot of the file name.';
comment on function storage.operation() is 'What the Storage API is doing in this transaction, null elsewhere.';
comment on function storage.allow_any_operation(text[]) is 'Whether the Storage API is doing one of these.';
comment on function storage.allow_only_operation(text) is 'Whether the Storage API is doing exactly this.';
comment on function storage.enforce_bucket_name_length() is 'Refuses bucket names of more than 100 characters.';
comment on function storage.update_updated_at_column() is 'Dates the row''s last change.';
comment on function storage.protect_delete() is 'Refuses deletes that have not set storage.allow_delete_query.';

-- The platform grants all to all three, truncate with it: neither row security nor the delete guard sees that one.
-- Buckets are service_role's to change, and a visitor has no folder to write to.
grant select on table storage.buckets to anon, authenticated;
grant select, insert, update, delete on table storage.buckets to service_role;
grant select on table storage.objects to anon;
grant select, insert, update, delete on table storage.objects to authenticated, service_role;

revoke execute on function storage.foldername(text) from public;
revoke execute on function storage.filename(text) from public;
revoke execute on function storage.extension(text) from public;
revoke execute on function storage.operation() from public;
revoke execute on function storage.allow_any_operation(text[]) from public;
revoke execute on function storage.allow_only_operation(text) from public;
revoke execute on function storage.enforce_bucket_name_length() from public;
revoke execute on function storage.update_updated_at_column() from public;
revoke execute on function storage.protect_delete() from public;
grant execute on function storage.foldername(text) to anon, authenticated, service_role;
grant execute on function storage.filename(text) to anon, authenticated, service_role;
grant execute on function storage.extension(text) to anon, authenticated, service_role;
grant execute on function storage.operation() to anon, authenticated, service_role;
grant execute on function storage.allow_any_operation(text[]) to anon, authenticated, service_role;
grant execute on function storage.allow_only_operation(text) to anon, authenticated, service_role;

reset role;
