-- 0026 storage_access: what row policies on storage.objects ask; a bucket's limits for those who write rows directly.
-- Lock: share row exclusive on storage.objects for its triggers. Duration: instant.
-- Down: loses no data.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- Definer, as are all here that row policies ask: who asks has no right to the tables. A list and not a yes or no for
-- each row: it is empty but for a few people, and asked for once in a statement.
create function private.my_harmful() returns text[]
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    me constant text = auth.uid()::text;
begin
    return array(
        select s.bucket_id || '/' || s.name || '/' || s.version from private.object_scans as s
        where s.status in ('infected', 'refused')
            and s.name collate "C" >= me || '/' and s.name collate "C" < me || '0'
    );
end
$$;

-- Names of other people's recordings in the asker's projects, for the index on names; null where they are too many to
-- be listed in each statement.
create function private.few_recordings() returns text[]
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    projects constant uuid[] = private.few_projects();
    found text[];
begin
    if projects is not null then
        found = array(
            select r.object_path from public.audio_recordings as r
            where r.project_id = any (projects) and r.bucket_id = 'audio' and r.created_by is distinct from auth.uid()
            limit 1001
        );
    end if;
    return case when cardinality(found) <= 1000 then found end;
end
$$;

-- "id between this and the last uuid there is" is the whole index for those with many, who are then asked row by row.
create function private.many_recordings_from() returns uuid
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
begin
    return case when private.few_recordings() is null then '00000000-0000-0000-0000-000000000000'::uuid end;
end
$$;

create function private.may_hear(bucket text, object text, object_version text) returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    project uuid;
begin
    select r.project_id into project from public.audio_recordings as r
    where r.bucket_id = bucket and r.object_path = object;
    return project is not null and private.may_read(project) and private.is_clean(bucket, object, object_version);
end
$$;

-- What browsers and servers call the types of what a bucket may take; empty for an ending that is none of these.
create function private.file_types(extension text) returns text[]
language sql immutable
set search_path = ''
return case lower(extension)
    when 'mp3' then array['audio/mpeg', 'audio/mp3']
    when 'm4a' then array['audio/mp4', 'audio/x-m4a', 'audio/m4a']
    when 'mp4' then array['audio/mp4', 'video/mp4']
    when 'aac' then array['audio/aac', 'audio/x-aac']
    when 'ogg' then array['audio/ogg', 'application/ogg']
    when 'oga' then array['audio/ogg']
    when 'opus' then array['audio/ogg', 'audio/opus']
    when 'wav' then array['audio/wav', 'audio/x-wav', 'audio/wave', 'audio/vnd.wave']
    when 'webm' then array['audio/webm', 'video/webm']
    when 'weba' then array['audio/webm']
    when 'mka' then array['audio/x-matroska', 'audio/matroska']
    when 'flac' then array['audio/flac', 'audio/x-flac']
    when 'png' then array['image/png']
    when 'jpg' then array['image/jpeg']
    when 'jpeg' then array['image/jpeg']
    when 'webp' then array['image/webp']
    when 'gif' then array['image/gif']
    when 'avif' then array['image/avif']
    when 'csv' then array['text/csv']
    when 'txt' then array['text/plain']
    when 'md' then array['text/markdown']
    when 'json' then array['application/json']
    when 'pdf' then array['application/pdf']
    when 'zip' then array['application/zip']
    else '{}'::text[]
end;

-- As the Storage API compares: type/subtype exactly, type/* for a family. No list is any type.
create function private.type_fits(type text, allowed text[]) returns boolean
language sql immutable
set search_path = ''
return coalesce(cardinality(allowed), 0) = 0
    or array[
        lower(trim(split_part(type, ';', 1))), split_part(lower(trim(type)), '/', 1) || '/*', '*/*'
    ] && allowed;

-- No type is declared where the Storage API only asks whether a signed upload would be allowed.
create function private.takes(bucket text, object text, type text) returns boolean
language plpgsql stable security definer
set search_path = ''
as $$
declare
    allowed text[];
begin
    select b.allowed_mime_types into allowed from storage.buckets as b where b.id = bucket;
    -- A bucket that isn't there, or that row security hides, takes nothing.
    return found and (
        coalesce(cardinality(allowed), 0) = 0 or '*/*' = any (allowed) or (
            (type is null or private.type_fits(type, allowed))
            and exists (
                select 1 from unnest(private.file_types(substring(object from '\.([^./]+)$'))) as named (type)
                where private.type_fits(named.type, allowed)
            )
        )
    );
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

-- The Storage API refuses these before it writes; this is for those who write rows themselves, the servers too.
create function private.tg_storage_objects__check_limits() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    largest bigint;
    types text[];
    bytes constant bigint = private.object_bytes(NEW.metadata);
    type constant text = NEW.metadata ->> 'mimetype';
begin
    select b.file_size_limit, b.allowed_mime_types into largest, types
    from storage.buckets as b where b.id = NEW.bucket_id;
    -- In the foreign key's code, which the Storage API tells as 404. A row without a bucket is in none with limits.
    if not found and NEW.bucket_id is not null then
        raise exception using
            errcode = 'foreign_key_violation',
            message = format('object %s/%s: the limits of its bucket can''t be read', NEW.bucket_id, NEW.name),
            hint = 'Declare the bucket in the setting buckets; if it is there, make up puts back what lets app_owner '
                'read it.';
    end if;
    if bytes > largest then
        raise exception using
            errcode = 'check_violation',
            message = format('object %s/%s has %s bytes', NEW.bucket_id, NEW.name, bytes),
            detail = format('Bucket %s takes at most %s bytes.', NEW.bucket_id, largest),
            hint = 'Upload a smaller file, or raise the limit in the setting buckets.';
    end if;
    -- The Storage API's mark of an empty folder is of no type.
    if type is not null and not private.type_fits(type, types)
        and not (NEW.name like '%/.emptyFolderPlaceholder' and coalesce(bytes, 0) = 0)
    then
        raise exception using
            errcode = 'check_violation',
            message = format('object %s/%s is declared as %s', NEW.bucket_id, NEW.name, left(type, 100)),
            detail = format('Bucket %s takes %s.', NEW.bucket_id, array_to_string(types, ', ')),
            hint = 'Upload a file of one of these types, or add the type in the setting buckets.';
    end if;
    return NEW;
end
$$;

comment on function private.my_harmful() is 'What isn''t to be read in the asker''s folders, as bucket/name/version.';
comment on function private.few_recordings() is 'Names of others'' recordings in my projects; null if over 1000.';
comment on function private.many_recordings_from() is 'The first uuid there is for those with many, else null.';
comment on function private.may_hear(text, text, text) is 'Whether it is a clean recording in a project of mine.';
comment on function private.file_types(text) is 'The types that a file with this ending may be declared as.';
comment on function private.type_fits(text, text[]) is 'Whether a type is among those allowed; none listed is any.';
comment on function private.takes(text, text, text) is 'Whether a bucket takes a name''s ending and a declared type.';
comment on function private.object_bytes(jsonb) is 'How large a file is said to be, null if nothing is said.';
comment on function private.tg_storage_objects__check_limits() is 'Trigger: what its bucket''s limits refuse.';

revoke execute on function private.my_harmful() from public;
revoke execute on function private.few_recordings() from public;
revoke execute on function private.many_recordings_from() from public;
revoke execute on function private.may_hear(text, text, text) from public;
revoke execute on function private.file_types(text) from public;
revoke execute on function private.type_fits(text, text[]) from public;
revoke execute on function private.takes(text, text, text) from public;
revoke execute on function private.object_bytes(jsonb) from public;
revoke execute on function private.tg_storage_objects__check_limits() from public;

-- The platform's own table: only whoever logged in has a right to it by its owner and to our function by ours.
reset role;
create trigger _100_check_limits
before insert on storage.objects
for each row execute function private.tg_storage_objects__check_limits();

-- What was stored before a limit was lowered can still be moved and read.
create trigger _110_check_new_limits
before update of bucket_id, metadata on storage.objects
for each row when (
    (
        old.bucket_id, old.metadata ->> 'mimetype', old.metadata ->> 'size', old.metadata ->> 'contentLength'
    ) is distinct from (
        new.bucket_id, new.metadata ->> 'mimetype', new.metadata ->> 'size', new.metadata ->> 'contentLength'
    )
)
execute function private.tg_storage_objects__check_limits();
set local role app_owner;
