-- 0001 scan_folders: whose folder a scanned file lies in, for files from now on.
-- Lock: access exclusive on private.object_scans: a column without a value rewrites nothing. Duration: instant.
-- Down: drops the column; loses no data, it is made from the name.

-- Not a generated column: that would rewrite the table while nobody can read it.
alter table private.object_scans add column folder uuid;

comment on column private.object_scans.folder is 'Whose folder the file lies in, all zeros for nobody''s.';

create function private.tg_object_scans__folder() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    NEW.folder = private.folder_of(NEW.name);
    return NEW;
end
$$;

comment on function private.tg_object_scans__folder() is 'Trigger, before insert or update: the folder of a name.';

revoke execute on function private.tg_object_scans__folder() from public;

create trigger _100_folder
before insert or update of name on private.object_scans
for each row execute function private.tg_object_scans__folder();

-- The next migration fills what is there, and row security would hide it; the one after that puts force back.
alter table private.object_scans no force row level security;
