-- 0009 project_membership: what row policies ask for, so that it costs the same however many projects a person has.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data.

-- Until the last of it is deleted, nobody is in a project any more whose owner has left. Mostly nobody is leaving, and
-- this isn't asked; else each project is looked at by its key, however many there are. All in one statement: a function
-- for each row of the lists below takes ten times as long as the list.
create function private.not_of(projects uuid[], owners uuid[]) returns uuid[]
language plpgsql stable parallel safe
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
begin
    return array(
        select n.id from unnest(projects) as n (id)
        where not exists (select from public.projects as p where p.id = n.id and p.owner_id = any (owners))
    );
end
$$;

-- Row policies ask "which projects" and not "this project?" wherever they can: the answer is made once for a statement.
-- Security definer, since a policy on collaborators that reads collaborators as the caller would ask itself; nobody
-- learns of more than their own projects.
--
-- Whether the caller has left is asked beside the lists by a policy on each table, once for a statement. The yes or no
-- says it itself, as functions ask for it too.
--
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
    leaving constant uuid[] = private.leaving();
    found constant uuid[] = array(
        select p.id from public.projects as p
        where p.owner_id = me and (uuid_hash(p.id) & 7) = part
        union all
        select c.project_id from public.collaborators as c
        where c.user_id = me and (uuid_hash(c.project_id) & 7) = part and c.accepted_at is not null
    );
begin
    return case when leaving = '{}' then found else private.not_of(found, leaving) end;
end
$$;

create function private.led_projects(part integer) returns uuid[]
language plpgsql stable parallel safe security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
    leaving constant uuid[] = private.leaving();
    found constant uuid[] = array(
        select p.id from public.projects as p
        where p.owner_id = me and (uuid_hash(p.id) & 7) = part
        union all
        select c.project_id from public.collaborators as c
        where c.user_id = me and (uuid_hash(c.project_id) & 7) = part
            and c.role = 'admin' and c.accepted_at is not null
    );
begin
    return case when leaving = '{}' then found else private.not_of(found, leaving) end;
end
$$;

-- The yes or no, by two keys and some microseconds: for checks of new rows, for changes, and for components, which are
-- public where their project is and so are in no list of anybody's. All of it is one statement, since each that
-- PL/pgSQL runs is a third of that time. The part stands in the conditions for the planner, who would else read all
-- that a person has from the index rather than one project from the table. No one is in the project of an owner who has
-- left, and who has left is in none.
create function private.may_read(project uuid) returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    return exists (
        select from public.projects as p
        where p.id = project
            and (p.owner_id = me or exists (
                select from public.collaborators as c
                where c.user_id = me and (uuid_hash(c.project_id) & 7) = (uuid_hash(project) & 7)
                    and c.project_id = project and c.accepted_at is not null
            ))
            and not exists (select from private.departures as d where d.user_id in (me, p.owner_id))
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
        where p.id = project
            and (p.owner_id = me or p.visibility = 'public' and p.archived_at is null or exists (
                select from public.collaborators as c
                where c.user_id = me and (uuid_hash(c.project_id) & 7) = (uuid_hash(project) & 7)
                    and c.project_id = project and c.accepted_at is not null
            ))
            and not exists (select from private.departures as d where d.user_id in (me, p.owner_id))
    ) or private.is_super_admin();
end
$$;

create function private.may_edit(project uuid) returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    return exists (
        select from public.projects as p
        where p.id = project
            and (p.owner_id = me or exists (
                select from public.collaborators as c
                where c.user_id = me and (uuid_hash(c.project_id) & 7) = (uuid_hash(project) & 7)
                    and c.project_id = project and c.accepted_at is not null and c.role in ('editor', 'admin')
            ))
            and not exists (select from private.departures as d where d.user_id in (me, p.owner_id))
    ) or private.is_super_admin();
end
$$;

-- Only the owner makes, changes and removes admins: an admin who could make others could not be got rid of.
create function private.may_manage(project uuid, role text) returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    return exists (
        select from public.projects as p
        where p.id = project
            and (p.owner_id = me or may_manage.role <> 'admin' and exists (
                select from public.collaborators as c
                where c.user_id = me and (uuid_hash(c.project_id) & 7) = (uuid_hash(project) & 7)
                    and c.project_id = project and c.accepted_at is not null and c.role = 'admin'
            ))
            and not exists (select from private.departures as d where d.user_id in (me, p.owner_id))
    ) or private.is_super_admin();
end
$$;

-- For policies on changes of collaborators, which are asked before a row is locked: who changes several holds their
-- project first, as who accepts or invites does. Else each would wait for the other. Asked after may_manage, and that
-- one once more only after a wait: it would see what the same statement has deleted already, such as one's own row.
create function private.lock_members(project uuid, role text) returns boolean
language plpgsql volatile security definer
cost 1000
set search_path = ''
as $$
begin
    perform from public.projects as p where p.id = project for no key update skip locked;
    if found then
        return true;
    end if;
    perform from public.projects as p where p.id = project for no key update;
    if not private.may_manage(project, role) then
        raise exception 'project % is no longer yours to manage', project using errcode = 'insufficient_privilege';
    end if;
    return found;
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
    leaving constant uuid[] = private.leaving();
    found constant uuid[] = array(
        select p.id from public.projects as p where p.owner_id = me
        union all
        select c.project_id from public.collaborators as c where c.user_id = me and c.accepted_at is not null
        limit 201
    );
begin
    return case
        when cardinality(found) > 200 then null
        when leaving = '{}' then found
        else private.not_of(found, leaving)
    end;
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

comment on function private.not_of(uuid[], uuid[]) is 'Of these projects, those whose owner is none of these people.';
comment on function private.my_projects(integer) is 'Of the caller''s projects, own and shared, those of this part.';
comment on function private.led_projects(integer) is 'Of the projects in which the caller may invite, a part.';
comment on function private.may_read(uuid) is 'Whether the caller is a member of this project.';
comment on function private.may_see(uuid) is 'Whether the caller is a member of this project, or it is public.';
comment on function private.may_edit(uuid) is 'Whether the caller may change the content of this project.';
comment on function private.may_manage(uuid, text) is 'Whether the caller may give or take this role in this project.';
comment on function private.lock_members(uuid, text) is
'Holds a project in which the caller may give or take this role, until the transaction ends.';
comment on function private.few_projects() is 'The caller''s projects, own and shared, unless they are more than 200.';
comment on function private.many_from() is 'The first uuid there is for who has more than few projects, else null.';

revoke execute on function private.not_of(uuid[], uuid[]) from public;
revoke execute on function private.my_projects(integer) from public;
revoke execute on function private.led_projects(integer) from public;
revoke execute on function private.may_read(uuid) from public;
revoke execute on function private.may_see(uuid) from public;
revoke execute on function private.may_edit(uuid) from public;
revoke execute on function private.may_manage(uuid, text) from public;
revoke execute on function private.lock_members(uuid, text) from public;
revoke execute on function private.few_projects() from public;
revoke execute on function private.many_from() from public;
