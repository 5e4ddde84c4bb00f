-- 0032 storage_departures: when a person is deleted, what lies in their folders goes too.
-- Lock: share row exclusive on public.users for its trigger. Duration: instant.
-- Down: loses no data; the files of people deleted later stay in the object store.

-- Steps run with row_security off, so that moving data fails loudly; the server tries the bodies of functions under
-- that setting too. Nothing is moved here.
set local row_security = on;

-- Recordings of the person's own projects are gone by now, by cascade; those in other people's projects stay there, as
-- step audio_recordings has it, and so do their files. Definer, since nobody else may write the queue.
create function private.tg_users__queue_files() returns trigger
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

comment on function private.tg_users__queue_files() is 'Trigger, after delete: what the person stored is to go.';

revoke execute on function private.tg_users__queue_files() from public;

create trigger _200_queue_files
after delete on public.users
for each row execute function private.tg_users__queue_files();
