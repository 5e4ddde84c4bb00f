-- 0025 project_parts: back to lists of projects in one piece; super administrators have no right left but their own.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

-- As in the way up: the server tries the bodies of functions under the steps' row_security off.
set local row_security = on;

create or replace function private.transfer_project(project uuid, new_owner uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    -- The row is locked first: of two transfers at once the second finds that it isn't the owner's any more.
    perform 1 from public.projects as p where p.id = project and p.owner_id = auth.uid() for update;
    if not found then
        raise exception 'there is no such project of yours' using errcode = 'no_data_found';
    end if;
    delete from public.collaborators as c
    where c.project_id = project and c.user_id = new_owner and c.accepted_at is not null;
    if not found then
        raise exception 'a project can be handed over only to one of its collaborators'
            using errcode = 'check_violation';
    end if;
    update public.projects set owner_id = new_owner where id = project;
    -- Whoever hands over stays, one step lower; the new owner can change that.
    insert into public.collaborators (project_id, user_id, role, invited_by, accepted_at)
    values (project, auth.uid(), 'admin', new_owner, now());
end
$$;

create or replace function private.search_projects(query text, page_size integer, before_rank real, before_id uuid)
returns table (
    id uuid, owner_id uuid, title text, description text, visibility text, updated_at timestamptz, rank real
)
language sql stable security definer
set search_path = ''
rows 20
as $$
    select f.id, f.owner_id, f.title, f.description, f.visibility, f.updated_at, f.rank
    from (
        select p.*, ts_rank(p.search, q.words) as rank
        from public.projects as p,
            websearch_to_tsquery('pg_catalog.simple'::regconfig, query) as q (words)
        where p.search @@ q.words
            and (
                p.owner_id = (select auth.uid())
                or (p.visibility = 'public' and p.archived_at is null)
                or p.id = any (array(select private.shared_project_ids()))
            )
    ) as f
    -- The page's end is the last row's rank and id, as in every other list.
    where before_rank is null or (f.rank, f.id) < (before_rank, before_id)
    order by f.rank desc, f.id desc
    limit least(page_size, 100)
$$;

create or replace function private.project_summaries(projects uuid[])
returns table (
    project_id uuid, components bigint, recordings bigint, duration_ms bigint, generations bigint, tokens bigint,
    cost numeric, active_at timestamptz
)
language sql stable security definer
set search_path = ''
as $$
    select
        t.project_id, t.components, t.recordings, t.duration_ms, t.generations, t.tokens, t.cost, t.active_at
    from analytics.project_totals as t
    where t.project_id = any (projects)
        -- Members only, also of public projects: what they cost is nobody else's business.
        and t.project_id in (select private.my_project_ids())
$$;

create or replace function private.project_members(project uuid)
returns table (user_id uuid, display_name text, avatar_url text, role text, since timestamptz)
language sql stable security definer
set search_path = ''
rows 10
as $$
    select p.owner_id, u.display_name, u.avatar_url, 'owner', p.created_at
    from public.projects as p
    join public.users as u on u.id = p.owner_id
    where p.id = project and p.id in (select private.my_project_ids())
    union all
    select c.user_id, u.display_name, u.avatar_url, c.role, c.accepted_at
    from public.collaborators as c
    join public.users as u on u.id = c.user_id
    where c.project_id = project and c.accepted_at is not null and project in (select private.my_project_ids())
$$;

create or replace function private.may_manage(project uuid, role text) returns boolean
language sql stable parallel safe security definer
set search_path = ''
as $$
    select exists (
        select 1 from public.projects as p where p.id = project and p.owner_id = (select auth.uid())
    ) or may_manage.role <> 'admin' and exists (
        select 1 from public.collaborators as c
        where c.project_id = project and c.user_id = (select auth.uid())
            and c.accepted_at is not null and c.role = 'admin'
    )
$$;

create or replace function private.may_edit(project uuid) returns boolean
language sql stable parallel safe security definer
set search_path = ''
as $$
    select exists (
        select 1 from public.projects as p where p.id = project and p.owner_id = (select auth.uid())
    ) or exists (
        select 1 from public.collaborators as c
        where c.project_id = project and c.user_id = (select auth.uid())
            and c.accepted_at is not null and c.role in ('editor', 'admin')
    )
$$;

drop function private.may_see(uuid);
drop function private.may_read(uuid);
drop function private.many_from();
drop function private.few_projects();
drop function private.led_projects(integer);
drop function private.my_projects(integer);
