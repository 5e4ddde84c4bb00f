-- 0002 storage_definer: the owner role reads buckets and objects before the first trigger of ours stands on them.
-- Lock: access exclusive on both tables where a policy isn't there yet, else none. Duration: instant.
-- Down: loses no data.

-- The triggers of sql/migrations on storage.objects run as the owner role, and refuse what they can't check. The
-- program's grants and row policies come seconds after the migrations, in which uploads go on: so what these triggers
-- need is here, in the words of declared/grants.py and sql/policies, which the program takes over. The tables belong to
-- the platform: the login has a grant option on them, and may make row policies there.
grant select on table storage.buckets to app_owner;
grant select on table storage.objects to app_owner;

-- A policy knows no "or replace", and making one that is there already would lock uploads out for nothing.
do $$
begin
    if not exists (
        select 1 from pg_catalog.pg_policy
        where polname = 'buckets_select_definer' and polrelid = 'storage.buckets'::regclass
    ) then
        create policy buckets_select_definer on storage.buckets for select to app_owner, backup using (true);
        comment on policy buckets_select_definer on storage.buckets
            is 'The owner role reads the limits, for the trigger and the row policies of storage.objects; backups read all.';
    end if;
    if not exists (
        select 1 from pg_catalog.pg_policy
        where polname = 'objects_select_definer' and polrelid = 'storage.objects'::regclass
    ) then
        create policy objects_select_definer on storage.objects for select to app_owner, backup using (true);
        comment on policy objects_select_definer on storage.objects
            is 'The owner role reads all, to find what a deleted person leaves and to report growth; backups read all.';
    end if;
end
$$;
