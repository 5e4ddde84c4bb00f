-- 0026 storage_access: what row policies on storage.objects ask; what holds for those who write rows directly.
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

-- In a bucket of projects the first folder is the project, and who may do what follows the role in it. Names of the
-- files in the caller's projects, for the index on names; null where they are too many to be listed each time.
create function private.few_files() returns text[]
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    projects constant uuid[] = private.few_projects();
    buckets constant text[] = private.buckets_of('{projects}');
    found text[];
begin
    if projects is not null then
        found = array(
            select f.name from unnest(projects) as p (id)
            cross join lateral (
                select o.name from storage.objects as o
                where o.bucket_id = any(buckets)
                    and o.name collate "C" >= p.id::text || '/' and o.name collate "C" < p.id::text || '0'
                limit 1001
            ) as f
            limit 1001
        );
    end if;
    return case when cardinality(found) <= 1000 then found end;
end
$$;

-- "id between this and the last uuid there is" is the whole index for those with many, who are then asked row by row;
-- and for who stores a file, whose row is in no list yet: the Storage API finds it by its name.
create function private.many_files_from(stores boolean) returns uuid
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
begin
    return case when stores or private.few_files() is null then '00000000-0000-0000-0000-000000000000'::uuid end;
end
$$;

create function private.project_of(object text) returns uuid
language sql immutable
set search_path = ''
return private.as_uuid(split_part(object, '/', 1));

-- The person who has uploaded a file finds it before the scan too, as long as they are a member; what was found harmful
-- nobody does. Who may edit finds all of it while the Storage API deletes or replaces, which gives nobody the bytes.
create function private.may_find(
    bucket text, object text, object_version text, uploader text, changes boolean
) returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    project constant uuid = private.project_of(object);
    verdict text;
begin
    if project is null or not private.may_read(project) then
        return false;
    end if;
    select s.status into verdict from private.object_scans as s
    where (s.bucket_id, s.name, s.version) = (bucket, object, object_version);
    return coalesce(verdict = 'clean', false)
        or coalesce(uploader = auth.uid()::text, false) and coalesce(verdict, '') not in ('infected', 'refused')
        or changes and private.may_edit(project);
end
$$;

create function private.may_store(object text) returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    project constant uuid = private.project_of(object);
begin
    return project is not null and private.may_edit(project);
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

-- What the Storage API says that it is doing. A function of our own: the Storage API replaces its own, and who could
-- replace one would say who reads which file.
create function private.is_operation(operations text[]) returns boolean
language sql stable parallel safe
set search_path = ''
return coalesce(
    regexp_replace(current_setting('storage.operation', true), '^storage\.', '') = any(operations), false
);

-- What may be stored can be scanned, served and deleted: the characters that the Storage API serves, which have one
-- spelling each; no part that is empty or of dots alone; no more bytes than the longest key has room for, which is that
-- of quarantine. The clients have the same rule.
create function private.is_file_name(object text) returns boolean
language sql immutable
set search_path = ''
return char_length(object) <= 850 and object ~ '^[A-Za-z0-9_/!.*''() &$@=;:+,?-]+$'
    and object !~ '(^|/)\.{0,2}(/|$)';

-- Where the Storage API only asks whether a signed upload would be allowed, the type is that of the request for it: the
-- stock client's is application/json. What is then uploaded has one of its own.
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
            (
                type is null or private.type_fits(type, allowed)
                or current_setting('storage.operation', true) = 'storage.object.sign_upload_url'
            )
            and exists (
                select 1 from unnest(private.file_types(substring(object from '\.([^./]+)$'))) as named (type)
                where private.type_fits(named.type, allowed)
            )
        )
    );
end
$$;

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
    -- In the foreign key's code, which the Storage API answers with 404. A row without a bucket is in none with limits.
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
    -- The Storage API's mark of an empty folder is of no type, nor is what it only asks before it signs.
    if type is not null and not private.type_fits(type, types)
        and current_setting('storage.operation', true) is distinct from 'storage.object.sign_upload_url'
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

-- Also for the servers: "a/../b" is in folder a for all rules here, and in b for a caller that makes a path of it.
create function private.tg_storage_objects__check_name() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    if not private.is_file_name(NEW.name) then
        raise exception using
            errcode = 'check_violation',
            message = format('object %s/%s: is no name of a file', NEW.bucket_id, to_json(left(NEW.name, 100))),
            hint = 'Choose one of up to 850 of A-Z, a-z, 0-9, space and _ / ! - . * '' ( ) & $ @ = ; : + , ?, '
                'without empty parts and parts of dots.';
    end if;
    return NEW;
end
$$;

-- Whose folder a uuid names in a bucket with this access. Of the servers' nobody asks.
create function private.is_folder_of_somebody(access text, folder uuid) returns boolean
language sql stable security definer
set search_path = ''
set row_security = on
as $$
    select case access
        when 'projects' then exists (select from public.projects as p where p.id = folder)
        when 'servers' then true
        else exists (select from public.users as u where u.id = folder)
            and not exists (select from private.departures as d where d.user_id = folder)
    end
$$;

-- In a project's folder lies what somebody has stored who may edit the project, then and now: the Storage API asks as
-- the person when it signs an upload and when it begins one, and writes the row when it has ended, which may be hours
-- later. A server that has nobody to name names nobody. After, since row security refuses another's project in the
-- words for one that isn't there. The lock keeps the project until the file is its own: its deletion finds the file.
create function private.tg_storage_objects__check_project() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    project constant uuid = private.project_of(NEW.name);
    person constant uuid = private.as_uuid(NEW.owner_id);
    access constant text = private.bucket_access(NEW.bucket_id);
begin
    -- A token outlives its person, and so does a form. Nobody is waited for: who leaves at this moment has what comes
    -- late swept by the cleaner.
    if access in ('people', 'inbox') and project is not null and not private.is_folder_of_somebody(access, project) then
        raise exception using
            errcode = 'foreign_key_violation',
            message = format('object %s/%s: the person of this folder isn''t there', NEW.bucket_id, NEW.name),
            hint = 'Store it under <user id>/<name>, the id of a person who has an account.';
    end if;
    if access <> 'projects' then
        return null;
    end if;
    perform from public.projects as p where p.id = project for key share;
    if not found then
        raise exception using
            errcode = 'foreign_key_violation',
            message = format('object %s/%s: is in no project', NEW.bucket_id, NEW.name),
            hint = 'Store it under <project id>/<name>, the id of a project in lower case.';
    end if;
    if NEW.owner_id is not null and not exists (
        select from public.projects as p where p.id = project and p.owner_id = person
    ) and not exists (
        select from public.collaborators as c
        where c.project_id = project and c.user_id = person
            and c.accepted_at is not null and c.role in ('editor', 'admin')
    ) and not exists (
        select from public.users as u where u.id = person and u.is_super_admin
    ) then
        raise exception using
            errcode = 'insufficient_privilege',
            message = format(
                'object %s/%s: %s may not edit the project', NEW.bucket_id, NEW.name, left(NEW.owner_id, 36)
            ),
            hint = 'Store it as somebody who may, or as a server; delete first what such a person has left there.';
    end if;
    return null;
end
$$;

-- What the Storage API writes as a person it takes back, having seen that row security allows it, and writes it as its
-- own role once the file is there. So what a person writes and commits is a row that no file is behind, or that says of
-- one what isn't so.
create function private.tg_storage_objects__refuse_person() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    raise exception using
        errcode = 'insufficient_privilege',
        message = format('object %s/%s: people may try to write its row, and not keep it', NEW.bucket_id, NEW.name),
        hint = 'Upload by the Storage API, or write the row as service_role when the file is there.';
end
$$;

comment on function private.my_harmful() is 'What isn''t to be read in the caller''s folders, as bucket/name/version.';
comment on function private.few_files() is 'Names of the files of the caller''s projects; null if over 1000.';
comment on function private.many_files_from(boolean) is 'The first uuid there is for those with many, else null.';
comment on function private.project_of(text) is 'Whose folder a name is in; null if it isn''t a uuid.';
comment on function private.may_find(text, text, text, text, boolean) is
'Whether the caller may find this file of a project.';
comment on function private.may_store(text) is 'Whether it is in a project that the caller may change.';
comment on function private.file_types(text) is 'The types that a file with this ending may be declared as.';
comment on function private.type_fits(text, text[]) is 'Whether a type is among those allowed; none listed is any.';
comment on function private.is_operation(text[]) is 'Whether the Storage API is doing one of these.';
comment on function private.is_folder_of_somebody(text, uuid) is 'Whether the person or project is there.';
comment on function private.is_file_name(text) is
'Whether what has this name can be stored, scanned, served and deleted.';
comment on function private.tg_storage_objects__check_name() is 'Trigger: refuses what is no name of a file.';
comment on function private.takes(text, text, text) is 'Whether a bucket takes a name''s ending and a declared type.';
comment on function private.tg_storage_objects__check_limits() is 'Trigger: what its bucket''s limits refuse.';
comment on function private.tg_storage_objects__check_project() is
'Trigger: it is a person''s who is there, or a project''s, by who may edit it.';
comment on function private.tg_storage_objects__refuse_person() is 'Trigger: no person commits a row of a file.';

revoke execute on function private.my_harmful() from public;
revoke execute on function private.few_files() from public;
revoke execute on function private.many_files_from(boolean) from public;
revoke execute on function private.project_of(text) from public;
revoke execute on function private.may_find(text, text, text, text, boolean) from public;
revoke execute on function private.may_store(text) from public;
revoke execute on function private.file_types(text) from public;
revoke execute on function private.type_fits(text, text[]) from public;
revoke execute on function private.is_operation(text[]) from public;
revoke execute on function private.is_folder_of_somebody(text, uuid) from public;
revoke execute on function private.is_file_name(text) from public;
revoke execute on function private.tg_storage_objects__check_name() from public;
revoke execute on function private.takes(text, text, text) from public;
revoke execute on function private.tg_storage_objects__check_limits() from public;
revoke execute on function private.tg_storage_objects__check_project() from public;
revoke execute on function private.tg_storage_objects__refuse_person() from public;

-- The platform's own table: only the login has a right to it by its owner and to our function by ours.
reset role;
create trigger _100_check_limits
before insert on storage.objects
for each row execute function private.tg_storage_objects__check_limits();

create trigger _120_check_name
before insert or update of name on storage.objects
for each row execute function private.tg_storage_objects__check_name();

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

create trigger _200_check_project
after insert on storage.objects
for each row execute function private.tg_storage_objects__check_project();

-- A move is asked as the person just before; a signed upload that replaces is not.
create trigger _210_check_new_project
after update of bucket_id, name, version, owner_id on storage.objects
for each row when (
    (old.bucket_id, old.name, old.version, old.owner_id)
    is distinct from (new.bucket_id, new.name, new.version, new.owner_id)
)
execute function private.tg_storage_objects__check_project();

create constraint trigger _900_refuse_person
after insert or update on storage.objects
deferrable initially deferred
for each row when (current_user in ('anon', 'authenticated'))
execute function private.tg_storage_objects__refuse_person();
set local role app_owner;
