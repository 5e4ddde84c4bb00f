-- 0032 departures: an account takes everything along again when it goes, in one statement.
-- Lock: access exclusive on people, departures, projects and what is in these. Duration: by what is left of people.
-- Down: deletes what is left of people who have left.

create or replace function private.tg_users__depart() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.departures (user_id, erased_at) values (OLD.id, now())
    on conflict on constraint departures_pkey do nothing;
    delete from public.users as u where u.id = OLD.id;
    return OLD;
end
$$;

-- Row security would hide them from the owner.
alter table public.users no force row level security;
alter table private.departures no force row level security;
alter table public.collaborators no force row level security;
delete from public.users as u using private.departures as d where d.user_id = u.id;
delete from public.collaborators as c using private.departures as d
where c.id = any(d.collaborators) and c.accepted_at is null;
update private.departures set erased_at = now(), collaborators = null
where erased_at is null or collaborators is not null;
alter table public.collaborators force row level security;
alter table private.departures force row level security;
alter table public.users force row level security;

drop policy if exists prompt_generations_delete_departed on public.prompt_generations;
drop policy if exists audio_recordings_delete_departed on public.audio_recordings;
drop policy if exists project_components_delete_departed on public.project_components;
drop policy if exists projects_delete_departed on public.projects;
drop policy if exists users_delete_brought_back on next_auth.users;
drop policy if exists users_update_departed on public.users;

drop function ops.export_files(uuid);
drop function ops.export_rows(uuid, text);
drop function ops.exported_tables();
drop function ops.waiting_departures();
drop function ops.departures(timestamptz);
drop function ops.depart(uuid[]);
drop procedure ops.erase_departed(bigint, bigint);
drop function private.export_files(uuid);
drop function private.export_rows(uuid, text);
drop function private.waiting_departures();
drop function private.departures(timestamptz);
drop function private.depart(uuid[]);
drop function private.forget_addresses(text[]);
drop function private.unwanted_addresses(bigint);
drop function private.people_to_erase();
drop function private.erase(uuid, bigint);
drop function private.leave_projects(uuid);
drop function private.erase_projects(uuid, bigint);
drop function private.erase_column(uuid, regclass, name, boolean, bigint);
drop function private.personal_columns();
