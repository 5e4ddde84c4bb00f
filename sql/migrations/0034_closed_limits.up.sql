-- 0034 closed_limits: what can't be checked of an upload is refused, in place of let through.
-- Lock: new bodies of functions only, none. Duration: instant.
-- Down: loses no data.

-- Steps run with row_security off, so that moving data fails loudly; the server tries the bodies of functions under
-- that setting too. Nothing is moved here.
set local row_security = on;

-- Until now these asked whether the owner role may read storage.buckets, and passed everything where it may not: that
-- was meant for the seconds between the step and the grants, and held as well where somebody took the grant away. The
-- platform's step storage_definer brings the right along before any of them, so there is nothing to ask.
create or replace function private.takes(bucket text, object text, type text) returns boolean
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

create or replace function private.tg_storage_objects__check_limits() returns trigger
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

-- As above: a person is not deleted without their files where these can't be found.
create or replace function private.tg_users__queue_files() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    insert into private.deletion_queue (bucket_id, object_path)
    select o.bucket_id, o.name
    from storage.buckets as b
    join storage.objects as o
        on o.bucket_id = b.id
        and o.name collate "C" >= OLD.id::text || '/'
        and o.name collate "C" < OLD.id::text || '0'
    where not exists (
        select 1 from public.audio_recordings as r where (r.bucket_id, r.object_path) = (o.bucket_id, o.name)
    );
    return null;
end
$$;
