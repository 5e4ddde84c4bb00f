-- 0001 private_helpers: takes the helpers away again.
-- Lock: access exclusive on the functions and the settings. Duration: instant.
-- Down: loses the settings, which `up` writes again.

-- Fails while a table still uses one of them.

drop function private.lower_address(text);
drop function private.is_server();
drop function private.only_bucket_of(text);
drop function private.buckets_of(text[]);
drop function private.bucket_access(text);
drop function private.setting(text);
drop table private.settings;
drop function private.tg__updated_at();
drop function private.at_most(integer, integer);
drop function private.is_bounded_object(jsonb, integer);
drop function private.first_uuid(timestamptz);
drop function private.uuid_v7();
