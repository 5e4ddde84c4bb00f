-- 0034 closed_limits: what the owner role can't read the limits of passes again.
-- Lock: new bodies of functions only, none. Duration: instant.
-- Down: loses no data.

-- As in the way up: the server tries the bodies of functions under the steps' row_security off.
set local row_security = on;

create or replace function private.takes(bucket text, object text, type text) returns boolean
language plpgsql stable security definer
set search_path = ''
as $$
declare
    allowed text[];
begin
    select b.allowed_mime_types into allowed from storage.buckets as b where b.id = bucket;
    return coalesce(cardinality(allowed), 0) = 0 or '*/*' = any (allowed) or (
        (type is null or private.type_fits(type, allowed))
        and exists (
            select 1 from unnest(private.file_types(substring(object from '\.([^./]+)$'))) as named (type)
            where private.type_fits(named.type, allowed)
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
    -- Grants follow the steps by seconds, in which uploads go on.
    if has_table_privilege('storage.buckets', 'select') then
        select b.file_size_limit, b.allowed_mime_types into largest, types
        from storage.buckets as b where b.id = NEW.bucket_id;
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

create or replace function private.tg_users__queue_files() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    -- Grants follow the steps by seconds, in which people may go.
    if not has_table_privilege('storage.buckets', 'select') or not has_table_privilege('storage.objects', 'select') then
        return null;
    end if;
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
