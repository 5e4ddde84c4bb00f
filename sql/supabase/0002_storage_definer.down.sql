-- 0002 storage_definer: the owner role reads neither buckets nor objects any more.
-- Lock: access exclusive on storage.buckets and storage.objects for their policies. Duration: instant.
-- Down: loses no data.

-- The program may have taken the policies away before this.
drop policy if exists objects_select_definer on storage.objects;
drop policy if exists buckets_select_definer on storage.buckets;
revoke select on table storage.objects from app_owner;
revoke select on table storage.buckets from app_owner;
