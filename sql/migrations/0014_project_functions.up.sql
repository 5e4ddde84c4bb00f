-- 0014 project_functions: what takes more than one statement: making, copying, ordering, inviting, handing over.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data.

-- Steps run with row_security off, so that moving data fails loudly; the server tries the bodies of functions under
-- that setting too. Nothing is moved here.
set local row_security = on;

-- As invoker wherever the row policies allow what has to be done: then there is nothing here to get wrong about access.
create function public.create_project(
    title text,
    description text default '',
    visibility text default 'private',
    settings jsonb default '{}',
    components jsonb default '[]'
) returns uuid
language plpgsql volatile
set search_path = ''
as $$
declare
    project uuid;
begin
    insert into public.projects (owner_id, title, description, visibility, settings)
    values (auth.uid(), title, description, visibility, settings)
    returning id into project;
    -- A list in order: a thousand apart, so that there is room for what is dragged between them.
    insert into public.project_components (project_id, kind, title, x, y, width, height, position, properties)
    select
        project, e.value ->> 'kind', coalesce(e.value ->> 'title', ''),
        coalesce((e.value ->> 'x')::float8, 0), coalesce((e.value ->> 'y')::float8, 0),
        coalesce((e.value ->> 'width')::float8, 240), coalesce((e.value ->> 'height')::float8, 120),
        e.place * 1024, coalesce(e.value -> 'properties', '{}')
    from jsonb_array_elements(components) with ordinality as e (value, place);
    return project;
end
$$;

-- One statement, parents before their children, so that the trigger on the tree finds each group already there.
-- A recording belongs to its project and its file to one row: the copy keeps the component and not the sound.
create function public.copy_components(source uuid, target uuid) returns void
language sql volatile
set search_path = ''
begin atomic
    with recursive tree as (
        select c.id, private.uuid_v7() as copy, null::uuid as parent, 0 as depth
        from public.project_components as c
        where c.project_id = source and c.parent_id is null
        union all
        select c.id, private.uuid_v7(), t.copy, t.depth + 1
        from public.project_components as c
        join tree as t on t.id = c.parent_id
        where c.project_id = source
    )
    insert into public.project_components
    (id, project_id, parent_id, kind, title, x, y, width, height, position, properties)
    select t.copy, target, t.parent, c.kind, c.title, c.x, c.y, c.width, c.height, c.position, c.properties
    from tree as t
    join public.project_components as c on c.id = t.id
    order by t.depth, c.position;
end;

create function public.duplicate_project(project uuid, title text default null) returns uuid
language plpgsql volatile
set search_path = ''
as $$
declare
    copy uuid;
begin
    -- Whatever can be seen can be copied; the copy is the asker's own, and private whatever the original was.
    insert into public.projects (owner_id, title, description, settings)
    select auth.uid(), coalesce(duplicate_project.title, left(p.title, 193) || ' (copy)'), p.description, p.settings
    from public.projects as p where p.id = project
    returning id into copy;
    if copy is null then
        raise exception 'there is no such project' using errcode = 'no_data_found';
    end if;
    perform public.copy_components(project, copy);
    return copy;
end
$$;

-- Drags a component to right behind another one, or to the front: one row is written, however long the list.
create function public.move_component(component uuid, after uuid default null) returns numeric
language plpgsql volatile
set search_path = ''
as $$
declare
    moved public.project_components;
    before_it numeric;
    behind_it numeric;
    place numeric;
begin
    select c.* into moved from public.project_components as c where c.id = component;
    if after is not null then
        select c.position into before_it from public.project_components as c
        where c.id = after and c.project_id = moved.project_id and c.id <> component;
    end if;
    if moved.id is null or (after is not null and before_it is null) then
        raise exception 'there is no such component in the project' using errcode = 'no_data_found';
    end if;
    select min(c.position) into behind_it from public.project_components as c
    where c.project_id = moved.project_id and c.id <> component and (before_it is null or c.position > before_it);
    -- Times a half and not by two: a division rounds, and the middle of two close numbers would be one of them.
    place = trim_scale(case
        when before_it is null then coalesce(behind_it - 1024, 1024)
        when behind_it is null then before_it + 1024
        else (before_it + behind_it) * 0.5
    end);
    if scale(place) > 190 then
        perform public.reorder_components(moved.project_id, array(
            select c.id from public.project_components as c
            where c.project_id = moved.project_id order by c.position, c.id
        ));
        return public.move_component(component, after);
    end if;
    update public.project_components set position = place where id = component;
    if not found then
        raise exception 'the components of this project cannot be changed by you'
            using errcode = 'insufficient_privilege';
    end if;
    return place;
end
$$;

create function public.reorder_components(project uuid, components uuid[]) returns integer
language plpgsql volatile
set search_path = ''
as $$
declare
    changed integer;
begin
    -- All or nothing: a list that somebody else has changed meanwhile would end in an order that nobody chose.
    if (select count(*) from public.project_components as c where c.project_id = project) <> cardinality(components)
        or (select count(distinct i) from unnest(components) as i) <> cardinality(components) then
        raise exception 'the list must name each component of the project once' using errcode = 'check_violation';
    end if;
    update public.project_components as c set position = o.place * 1024
    from unnest(components) with ordinality as o (id, place)
    where c.id = o.id and c.project_id = project;
    get diagnostics changed = row_count;
    if changed <> cardinality(components) then
        raise exception 'the list must name components of the project that you may change'
            using errcode = 'insufficient_privilege';
    end if;
    return changed;
end
$$;

-- Definer: an invitation becomes a membership only here, so that nobody can write accepted_at. By address only for
-- whoever has proved that it is theirs; the address comes from the sign-in and not from the token.
create function private.accept_invitation(invitation uuid) returns uuid
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    project uuid;
begin
    update public.collaborators as c
    set user_id = auth.uid(), email = null, accepted_at = now()
    where c.id = invitation and c.accepted_at is null
        and (
            c.user_id = auth.uid()
            or lower(c.email) = (
                select lower(u.email) from next_auth.users as u
                where u.id = auth.uid() and u."emailVerified" is not null
            )
        )
    returning c.project_id into project;
    if project is null then
        -- The same words whether it never was, is another person's, or is used up.
        raise exception 'there is no such invitation for you' using errcode = 'no_data_found';
    end if;
    return project;
end
$$;

create function private.my_invitations()
returns table (id uuid, project_id uuid, title text, role text, invited_by text, invited_at timestamptz)
language sql stable security definer
set search_path = ''
rows 5
as $$
    select c.id, c.project_id, p.title, c.role, u.display_name, c.invited_at
    from public.collaborators as c
    join public.projects as p on p.id = c.project_id
    left join public.users as u on u.id = c.invited_by
    where c.accepted_at is null
        and (
            c.user_id = (select auth.uid())
            or c.email is not null and lower(c.email) = (
                select lower(n.email) from next_auth.users as n
                where n.id = (select auth.uid()) and n."emailVerified" is not null
            )
        )
    order by c.invited_at desc
$$;

-- Definer: names and pictures of the others, without opening anybody's profile.
create function private.project_members(project uuid)
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

-- Definer: owner_id is no column that anybody may write. To a collaborator only, so that nobody gets a project that
-- they never agreed to have.
create function private.transfer_project(project uuid, new_owner uuid) returns void
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

-- What PostgREST shows.
create function public.accept_invitation(invitation uuid) returns uuid
language sql volatile
set search_path = ''
return private.accept_invitation(invitation);

create function public.my_invitations()
returns table (id uuid, project_id uuid, title text, role text, invited_by text, invited_at timestamptz)
language sql stable
set search_path = ''
begin atomic
    select i.id, i.project_id, i.title, i.role, i.invited_by, i.invited_at from private.my_invitations() as i;
end;

create function public.project_members(project uuid)
returns table (user_id uuid, display_name text, avatar_url text, role text, since timestamptz)
language sql stable
set search_path = ''
begin atomic
    select m.user_id, m.display_name, m.avatar_url, m.role, m.since from private.project_members(project) as m;
end;

create function public.transfer_project(project uuid, new_owner uuid) returns void
language sql volatile
set search_path = ''
begin atomic
    select private.transfer_project(project, new_owner);
end;

comment on function public.create_project(text, text, text, jsonb, jsonb) is 'A new project of the asker''s; its id.';
comment on function public.copy_components(uuid, uuid) is 'Copies all components of one project into another one.';
comment on function public.duplicate_project(uuid, text) is 'A private copy of a project one can see; its id.';
comment on function public.move_component(uuid, uuid) is 'Puts a component behind another or to the front; its place.';
comment on function public.reorder_components(uuid, uuid[]) is 'Puts all components of a project in this order.';
comment on function private.accept_invitation(uuid) is 'See public.accept_invitation.';
comment on function private.my_invitations() is 'See public.my_invitations.';
comment on function private.project_members(uuid) is 'See public.project_members.';
comment on function private.transfer_project(uuid, uuid) is 'See public.transfer_project.';
comment on function public.accept_invitation(uuid) is 'Accepts an invitation to the asker; the project''s id.';
comment on function public.my_invitations() is 'Open invitations to the asker, by person or by proved address.';
comment on function public.project_members(uuid) is 'Owner and collaborators of a project of the asker''s.';
comment on function public.transfer_project(uuid, uuid) is 'Hands a project over to one of its collaborators.';

revoke execute on function public.create_project(text, text, text, jsonb, jsonb) from public;
revoke execute on function public.copy_components(uuid, uuid) from public;
revoke execute on function public.duplicate_project(uuid, text) from public;
revoke execute on function public.move_component(uuid, uuid) from public;
revoke execute on function public.reorder_components(uuid, uuid[]) from public;
revoke execute on function private.accept_invitation(uuid) from public;
revoke execute on function private.my_invitations() from public;
revoke execute on function private.project_members(uuid) from public;
revoke execute on function private.transfer_project(uuid, uuid) from public;
revoke execute on function public.accept_invitation(uuid) from public;
revoke execute on function public.my_invitations() from public;
revoke execute on function public.project_members(uuid) from public;
revoke execute on function public.transfer_project(uuid, uuid) from public;
