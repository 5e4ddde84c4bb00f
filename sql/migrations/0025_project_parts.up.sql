-- 0025 project_parts: what row policies ask for, so that it costs the same however many projects a person has.
-- Lock: new functions, and new bodies of old ones: none. Duration: instant.
-- Down: loses no data.

-- Steps run with row_security off, so that moving data fails loudly; the server tries the bodies of functions under
-- that setting too. Nothing is moved here.
set local row_security = on;

-- A list of a person's projects is what lets an index answer "all recordings that I see". For "the recordings of this
-- project" the list is a waste, of 3 ms for somebody with 15,000. So policies ask for it in eight parts, with "or":
-- each is a condition of an index, and where another condition has found the row, "or" stops at the part that it is in.
-- docs/decisions has the figures of this form and of the others, in "row policies at a million projects".
create function private.my_projects(part integer) returns uuid[]
language plpgsql stable parallel safe security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    return array(
        select p.id from public.projects as p
        where p.owner_id = me and (uuid_hash(p.id) & 7) = part
        union all
        select c.project_id from public.collaborators as c
        where c.user_id = me and (uuid_hash(c.project_id) & 7) = part and c.accepted_at is not null
    );
end
$$;

create function private.led_projects(part integer) returns uuid[]
language plpgsql stable parallel safe security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    return array(
        select p.id from public.projects as p
        where p.owner_id = me and (uuid_hash(p.id) & 7) = part
        union all
        select c.project_id from public.collaborators as c
        where c.user_id = me and (uuid_hash(c.project_id) & 7) = part
            and c.role = 'admin' and c.accepted_at is not null
    );
end
$$;

-- The yes or no, by two keys and some microseconds: for checks of new rows, for changes, and for components, which are
-- public where their project is and so are in no list of anybody's. The part stands in the conditions for the planner,
-- who would else read all that a person has from the index rather than one project from the table.
create function private.may_read(project uuid) returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    -- Collaborators first: the policy on projects, which asks most, knows by then that the asker isn't the owner.
    return exists (
        select from public.collaborators as c
        where c.user_id = me and (uuid_hash(c.project_id) & 7) = (uuid_hash(project) & 7)
            and c.project_id = project and c.accepted_at is not null
    ) or exists (
        select from public.projects as p
        where p.owner_id = me and (uuid_hash(p.id) & 7) = (uuid_hash(project) & 7) and p.id = project
    ) or private.is_super_admin();
end
$$;

create function private.may_see(project uuid) returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    return exists (
        select from public.projects as p
        where p.id = project and (p.owner_id = me or p.visibility = 'public' and p.archived_at is null)
    ) or exists (
        select from public.collaborators as c
        where c.user_id = me and (uuid_hash(c.project_id) & 7) = (uuid_hash(project) & 7)
            and c.project_id = project and c.accepted_at is not null
    ) or private.is_super_admin();
end
$$;

create or replace function private.may_edit(project uuid) returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    return exists (
        select from public.projects as p
        where p.owner_id = me and (uuid_hash(p.id) & 7) = (uuid_hash(project) & 7) and p.id = project
    ) or exists (
        select from public.collaborators as c
        where c.user_id = me and (uuid_hash(c.project_id) & 7) = (uuid_hash(project) & 7)
            and c.project_id = project and c.accepted_at is not null and c.role in ('editor', 'admin')
    ) or private.is_super_admin();
end
$$;

create or replace function private.may_manage(project uuid, role text) returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    return exists (
        select from public.projects as p
        where p.owner_id = me and (uuid_hash(p.id) & 7) = (uuid_hash(project) & 7) and p.id = project
    ) or may_manage.role <> 'admin' and exists (
        select from public.collaborators as c
        where c.user_id = me and (uuid_hash(c.project_id) & 7) = (uuid_hash(project) & 7)
            and c.project_id = project and c.accepted_at is not null and c.role = 'admin'
    ) or private.is_super_admin();
end
$$;

-- Most people have few projects: this list spares them the question per row. Who has more gets none, so that listing
-- them never costs more than asking.
create function private.few_projects() returns uuid[]
language plpgsql stable parallel safe security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
    found constant uuid[] = array(
        select p.id from public.projects as p where p.owner_id = me
        union all
        select c.project_id from public.collaborators as c where c.user_id = me and c.accepted_at is not null
        limit 201
    );
begin
    return case when cardinality(found) <= 200 then found end;
end
$$;

-- "id between this and the last uuid there is" is the whole index for those with many projects and for super
-- administrators, who are then asked row by row, and no row for all others.
create function private.many_from() returns uuid
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
begin
    return case
        when private.few_projects() is null or private.is_super_admin()
            then '00000000-0000-0000-0000-000000000000'::uuid
    end;
end
$$;

-- The same rows as before, and all of them for a super administrator.
create or replace function private.project_members(project uuid)
returns table (user_id uuid, display_name text, avatar_url text, role text, since timestamptz)
language plpgsql stable security definer
set search_path = ''
rows 10
as $$
begin
    if not private.may_read(project) then
        return;
    end if;
    return query
    select p.owner_id, u.display_name, u.avatar_url, 'owner', p.created_at
    from public.projects as p
    join public.users as u on u.id = p.owner_id
    where p.id = project
    union all
    select c.user_id, u.display_name, u.avatar_url, c.role, c.accepted_at
    from public.collaborators as c
    join public.users as u on u.id = c.user_id
    where c.project_id = project and c.accepted_at is not null;
end
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
        and private.may_read(t.project_id)
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
                or exists (
                    select from public.collaborators as c
                    where c.project_id = p.id and c.user_id = (select auth.uid()) and c.accepted_at is not null
                )
                or (select private.is_super_admin())
            )
    ) as f
    -- The page's end is the last row's rank and id, as in every other list.
    where before_rank is null or (f.rank, f.id) < (before_rank, before_id)
    order by f.rank desc, f.id desc
    limit least(page_size, 100)
$$;

create or replace function private.transfer_project(project uuid, new_owner uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    old_owner uuid;
begin
    -- The row is locked first: of two transfers at once the second finds that it isn't the owner's any more.
    select p.owner_id into old_owner from public.projects as p
    where p.id = project and (p.owner_id = auth.uid() or private.is_super_admin()) for update;
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
    values (project, old_owner, 'admin', new_owner, now());
end
$$;

comment on function private.my_projects(integer) is 'Of the asker''s projects, own and shared, those of this part.';
comment on function private.led_projects(integer) is 'Of the projects in which the asker may invite, a part.';
comment on function private.few_projects() is 'The asker''s projects, own and shared, unless they are more than 200.';
comment on function private.many_from() is 'The first uuid there is for who has more than few projects, else null.';
comment on function private.may_read(uuid) is 'Whether the asker is a member of this project.';
comment on function private.may_see(uuid) is 'Whether the asker is a member of this project, or it is public.';

revoke execute on function private.my_projects(integer) from public;
revoke execute on function private.led_projects(integer) from public;
revoke execute on function private.few_projects() from public;
revoke execute on function private.many_from() from public;
revoke execute on function private.may_read(uuid) from public;
revoke execute on function private.may_see(uuid) from public;
