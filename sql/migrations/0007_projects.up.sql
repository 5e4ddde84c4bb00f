-- 0007 projects: what people compose; everything else of the app hangs on one.
-- Lock: share row exclusive on public.users for the foreign key, new table otherwise. Duration: instant.
-- Down: drops the table and every project in it.

create table public.projects (
    id uuid not null default private.uuid_v7(),
    owner_id uuid not null,
    title text not null,
    -- Empty and never null: search and interface have one case less.
    description text not null default '',
    visibility text not null default 'private',
    settings jsonb not null default '{}',
    archived_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint projects_pkey primary key (id),
    -- A person who goes takes their projects with them, also shared ones: nobody else has a right to keep them.
    constraint projects_owner_id_fkey foreign key (owner_id) references public.users (id) on delete cascade,
    constraint projects_title_check check (char_length(title) between 1 and 200 and btrim(title) <> ''),
    constraint projects_description_check check (char_length(description) <= 10000),
    -- A check and not an enumeration type: a value can be added and taken away again without rewriting anything.
    constraint projects_visibility_check check (visibility in ('private', 'shared', 'public')),
    constraint projects_archived_at_check check (isfinite(archived_at)),
    constraint projects_settings_check check (private.is_bounded_object(settings, 65536))
);

alter table public.projects enable row level security;
alter table public.projects force row level security;

-- A person's list, newest first, and the foreign key's own look-up: its first column serves both. Two projects changed
-- in one statement have one date: only with the id is a page's end a single row.
create index projects_owner_id_updated_at_id_idx on public.projects (owner_id, updated_at desc, id desc);

-- The gallery. The condition is the public part of projects_select_own_or_public, word for word: that lets the planner
-- join this index with the one above instead of reading the table. The id settles ties for paging by key.
create index projects_updated_at_id_idx on public.projects (updated_at desc, id desc)
where visibility = 'public' and archived_at is null;

-- Somebody with 15,000 projects must not have them all listed when one of them is opened: see migration
-- project_membership. The part comes first, or lists would be read by this index where
-- projects_owner_id_updated_at_id_idx has them in order.
create index projects_part_owner_id_id_idx on public.projects ((uuid_hash(id) & 7), owner_id, id);

comment on table public.projects is 'A composition of components, recordings and generations, owned by one person.';
comment on column public.projects.id is 'Key, ordered by time of making.';
comment on column public.projects.owner_id is 'The person who may do anything with it.';
comment on column public.projects.title is 'Name, 1 to 200 characters.';
comment on column public.projects.description is 'What it is about, may be empty.';
comment on column public.projects.visibility is 'Who may read: the owner, collaborators too, everybody.';
comment on column public.projects.settings is 'Settings of the canvas and of generation, by name; at most 64 KiB.';
comment on column public.projects.archived_at is 'When it was put away, out of all other people''s sight; null in use.';
comment on column public.projects.created_at is 'When it was made.';
comment on column public.projects.updated_at is
'When it last changed, or a component, recording or generation of it, to the second; set by trigger.';

create trigger _100_updated_at
before update on public.projects
for each row execute function private.tg__updated_at();

-- The policies of the owner role come with the migration, in the words of sql/policies, which the program then takes
-- over: its functions find a project by them, and hold it.
create policy projects_select_definer on public.projects for select to app_owner, backup using (true);
create policy projects_update_definer on public.projects for update to app_owner using (true) with check (true);

comment on policy projects_select_definer on public.projects is
'The owner role reads all: search, summaries and what policies ask run as it, nobody logs in as it; backups read all.';
comment on policy projects_update_definer on public.projects is
'The owner role dates a project, shares it when somebody is invited, hands it over; its functions check who asks.';

-- A row for each change and not for each project: two who write at the same time don't wait for each other.
create table private.undated_projects (
    id uuid not null default private.uuid_v7(),
    project_id uuid not null,
    constraint undated_projects_pkey primary key (id)
);

alter table private.undated_projects enable row level security;
alter table private.undated_projects force row level security;

comment on table private.undated_projects is
'Projects that changed while another session held them; they are dated by their next change, or by housekeeping.';
comment on column private.undated_projects.id is 'Key, ordered by time of the change.';
comment on column private.undated_projects.project_id is 'The project; it may be gone.';

create policy undated_projects_select_definer on private.undated_projects for select to app_owner, backup using (true);
create policy undated_projects_insert_definer on private.undated_projects for insert to app_owner with check (true);
create policy undated_projects_delete_definer on private.undated_projects for delete to app_owner using (true);

comment on policy undated_projects_select_definer on private.undated_projects is
'The owner role reads which project has no date yet; backups read all.';
comment on policy undated_projects_insert_definer on private.undated_projects is
'The owner role notes a project that it couldn''t date.';
comment on policy undated_projects_delete_definer on private.undated_projects is 'The owner role has dated it.';

-- A list of projects shows which was worked on last. At most once a second for each, since every date is a new version
-- of the row and an entry in each of its indexes; a new project's first change always. Nobody waits here, or two would
-- wait for each other. The session that holds the row at this moment mostly dates it; but it may take everything back,
-- so the change is noted, once a second too.
create function private.date_projects(projects uuid[]) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
    stale constant uuid[] = array(
        select p.id from public.projects as p
        where p.id = any(projects)
            and p.updated_at < now() - case when p.updated_at = p.created_at then '0' else '1 second' end::interval
    );
    free constant uuid[] = case when cardinality(stale) > 0 then array(
        select p.id from public.projects as p where p.id = any(stale) order by p.id for no key update skip locked
    ) end;
begin
    if cardinality(free) > 0 then
        update public.projects set updated_at = now() where id = any(free);
        delete from private.undated_projects as u where u.project_id = any(free);
    end if;
    if cardinality(free) < cardinality(stale) then
        insert into private.undated_projects (project_id)
        select s.id from unnest(stale) as s (id)
        where s.id <> all(free) and not exists (
            select from private.undated_projects as u
            where u.project_id = s.id and u.id > private.first_uuid(clock_timestamp() - interval '1 second')
        );
    end if;
end
$$;

-- For a scheduler. What has a later date needs none; what is held is left for the next run.
create function private.date_undated() returns bigint
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    -- As arrays, so that projects are read by their key.
    noted constant uuid[] = array(select distinct u.project_id from private.undated_projects as u);
    there constant uuid[] = array(select p.id from public.projects as p where p.id = any(noted));
    free constant uuid[] = array(
        select p.id from public.projects as p where p.id = any(noted) order by p.id for no key update skip locked
    );
    dated bigint;
begin
    with gone as (
        delete from private.undated_projects as u
        where u.project_id = any(noted) and (u.project_id = any(free) or u.project_id <> all(there))
        returning u.project_id, u.id
    )
    update public.projects as p set updated_at = now()
    where p.id = any(free) and exists (
        select from gone as g
        where g.project_id = p.id and g.id > private.first_uuid(p.updated_at + interval '1 second')
    );
    get diagnostics dated = row_count;
    return dated;
end
$$;

create function ops.date_undated() returns bigint
language sql volatile
set search_path = ''
return private.date_undated();

create function private.tg__date_project() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    perform private.date_projects(array[NEW.project_id]);
    return null;
end
$$;

-- For each statement, of all rows in "changed": a thousand components are one question.
create function private.tg__date_projects() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    perform private.date_projects(array(select distinct c.project_id from changed as c));
    return null;
end
$$;

-- Of people, not of servers. One statement of a person after the other: two at once see each other's projects.
create function private.limit_projects(owner uuid) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
    most constant bigint = private.setting('projectsPerPerson')::bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('projects of ' || owner, 0));
    if exists (select from public.projects as p where p.owner_id = owner offset most) then
        raise exception using
            errcode = 'insufficient_privilege',
            message = format('%s would have more than %s projects', owner, most),
            hint = 'Delete some, or set database:projectsPerPerson.';
    end if;
end
$$;

create function private.tg_projects__limit() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    if auth.uid() is null then
        return null;
    end if;
    if TG_LEVEL = 'ROW' then
        perform private.limit_projects(NEW.owner_id);
    else
        perform private.limit_projects(a.owner_id)
        from (select distinct n.owner_id from added as n order by n.owner_id) as a;
    end if;
    return null;
end
$$;

create trigger _320_limit
after insert on public.projects
referencing new table as added
for each statement execute function private.tg_projects__limit();

create trigger _330_limit_new_owner
after update of owner_id on public.projects
for each row when (old.owner_id <> new.owner_id)
execute function private.tg_projects__limit();

comment on function private.limit_projects(uuid) is 'Refuses a person with more projects.';
comment on function private.tg_projects__limit() is 'Trigger, after writes: nobody owns too many.';
comment on function private.date_projects(uuid[]) is 'Notes that what is in these projects has changed.';
comment on function private.date_undated() is 'See ops.date_undated.';
comment on function ops.date_undated() is 'Dates projects that were held when they changed; how many there were.';
comment on function private.tg__date_project() is 'Trigger, after update of a row: its project has changed.';
comment on function private.tg__date_projects() is 'Trigger, after writes: what is in projects has changed.';

revoke execute on function private.limit_projects(uuid) from public;
revoke execute on function private.tg_projects__limit() from public;
revoke execute on function private.date_projects(uuid[]) from public;
revoke execute on function private.date_undated() from public;
revoke execute on function ops.date_undated() from public;
revoke execute on function private.tg__date_project() from public;
revoke execute on function private.tg__date_projects() from public;
