-- 0024 audited_tables: records these tables no more.
-- Lock: access exclusive on each of the tables for its triggers. Duration: instant.
-- Down: loses the triggers that record these tables; what was recorded stays.

-- What was recorded stays in the log, and nothing is added.

reset role;
drop function private.tg_storage_buckets__audit() cascade;
set local role app_owner;

drop function private.tg_public_prompt_generations__audit() cascade;
drop function private.tg_public_project_components__audit() cascade;
drop function private.tg_next_auth_accounts__audit() cascade;
drop function private.tg_next_auth_users__audit() cascade;
drop function private.tg_public_audio_recordings__audit() cascade;
drop function private.tg_public_collaborators__audit() cascade;
drop function private.tg_public_projects__audit() cascade;
drop function private.tg_public_users__audit() cascade;
