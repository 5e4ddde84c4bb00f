-- 0015 project_functions: what takes more than one statement: making a project, copying and ordering what is in it.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- PT404 is what PostgREST makes 404: P0002, no_data_found, would be 500, a fault of the server's.
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
    -- One after the other they get their places.
    insert into public.project_components (project_id, kind, title, x, y, width, height, properties)
    select
        project, e.value ->> 'kind', coalesce(e.value ->> 'title', ''),
        coalesce((e.value ->> 'x')::float8, 0), coalesce((e.value ->> 'y')::float8, 0),
        coalesce((e.value ->> 'width')::float8, 240), coalesce((e.value ->> 'height')::float8, 120),
        coalesce(e.value -> 'properties', '{}')
    from jsonb_array_elements(components) with ordinality as e (value, place)
    order by e.place;
    return project;
end
$$;

create function private.shows_project(project uuid) returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
    return exists (select from public.projects as p where p.id = project)
        and (private.is_server() or private.may_see(project));
end
$$;

-- Holds a project for the functions below.
create function private.edit_project(project uuid) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
    if not private.shows_project(project) then
        raise exception 'there is no such project' using errcode = 'PT404';
    end if;
    if not private.lock_project(project) then
        raise exception 'the components of this project cannot be changed by you'
            using errcode = 'insufficient_privilege';
    end if;
end
$$;

-- Another person's component is refused like one that isn't there.
create function private.edit_component(component uuid) returns uuid
language plpgsql volatile
set search_path = ''
as $$
declare
    project uuid;
begin
    select c.project_id into project from public.project_components as c where c.id = component;
    if not private.shows_project(project) then
        raise exception 'there is no such component in the project' using errcode = 'PT404';
    end if;
    perform private.edit_project(project);
    return project;
end
$$;

create function private.hold_copy_target(source uuid, target uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    if source = target then
        raise exception 'components cannot be copied into the project that they are in'
            using errcode = 'invalid_parameter_value';
    end if;
    if not private.shows_project(source) then
        raise exception 'there is no such project' using errcode = 'PT404';
    end if;
    perform private.edit_project(target);
end
$$;

-- Behind what is in the target, in the order of the original. A recording's file belongs to one row: the copy has the
-- component and not the sound.
create function public.copy_components(source uuid, target uuid) returns void
language sql volatile
set search_path = ''
begin atomic
    select private.hold_copy_target(source, target);
    with original as (
        select
            c.id, c.parent_id, c.kind, c.title, c.x, c.y, c.width, c.height, c.position, c.properties,
            private.uuid_v7() as copy
        from public.project_components as c
        where c.project_id = source
    )
    insert into public.project_components
    (id, project_id, parent_id, kind, title, x, y, width, height, properties)
    select o.copy, target, g.copy, o.kind, o.title, o.x, o.y, o.width, o.height, o.properties
    from original as o
    left join original as g on g.id = o.parent_id
    order by o.position;
end;

create function public.duplicate_project(project uuid, title text default null) returns uuid
language plpgsql volatile
set search_path = ''
as $$
declare
    copy uuid;
begin
    -- Whatever can be seen can be copied; the copy is the caller's own, and private whatever the original was.
    insert into public.projects (owner_id, title, description, settings)
    select auth.uid(), coalesce(duplicate_project.title, left(p.title, 193) || ' (copy)'), p.description, p.settings
    from public.projects as p where p.id = project
    returning id into copy;
    if copy is null then
        raise exception 'there is no such project' using errcode = 'PT404';
    end if;
    perform public.copy_components(project, copy);
    return copy;
end
$$;

-- Definer, and the only way to a place or a group that people have: here the project is locked before any row of it.
create function private.move_component(component uuid, after uuid) returns text
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    project constant uuid = private.edit_component(component);
    place text;
begin
    if after is null or after <> component and exists (
        select from public.project_components as c where c.project_id = project and c.id = after
    ) then
        -- Before the update and not in it, since it may give every component a new place.
        place = private.place_behind(project, after);
    end if;
    update public.project_components as c set position = place where c.id = component and place is not null;
    if not found then
        raise exception 'there is no such component in the project' using errcode = 'PT404';
    end if;
    return place;
end
$$;

create function private.nest_component(component uuid, parent uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    perform private.edit_component(component);
    update public.project_components as c set parent_id = parent where c.id = component;
    if not found then
        raise exception 'there is no such component in the project' using errcode = 'PT404';
    end if;
end
$$;

create function private.reorder_components(project uuid, components uuid[]) returns integer
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    perform private.edit_project(project);
    -- All or nothing: a list that somebody else has changed meanwhile would end in an order that nobody chose.
    if array(select c.id from public.project_components as c where c.project_id = project order by c.id)
        is distinct from array(select n.id from unnest(components) as n (id) order by n.id) then
        raise exception 'the list must name each component of the project once' using errcode = 'check_violation';
    end if;
    perform private.order_components(project, components);
    return cardinality(components);
end
$$;

-- What PostgREST shows.
create function public.move_component(component uuid, after uuid default null) returns text
language sql volatile
set search_path = ''
return private.move_component(component, after);

create function public.nest_component(component uuid, parent uuid default null) returns void
language sql volatile
set search_path = ''
begin atomic
    select private.nest_component(component, parent);
end;

create function public.reorder_components(project uuid, components uuid[]) returns integer
language sql volatile
set search_path = ''
return private.reorder_components(project, components);

comment on function public.create_project(text, text, text, jsonb, jsonb) is 'A new project of the caller''s; its id.';
comment on function public.copy_components(uuid, uuid) is 'Copies all components of one project into another one.';
comment on function public.duplicate_project(uuid, text) is 'A private copy of a project one can see; its id.';
comment on function private.hold_copy_target(uuid, uuid) is 'Holds the target of a copy, or refuses.';
comment on function private.shows_project(uuid) is 'Whether there is such a project for the caller.';
comment on function private.edit_project(uuid) is 'Holds a project that the caller may change, or refuses.';
comment on function private.edit_component(uuid) is 'Holds the project of a component, which comes back, or refuses.';
comment on function private.move_component(uuid, uuid) is 'See public.move_component.';
comment on function private.nest_component(uuid, uuid) is 'See public.nest_component.';
comment on function private.reorder_components(uuid, uuid[]) is 'See public.reorder_components.';
comment on function public.move_component(uuid, uuid) is 'Puts a component behind another or to the front; its place.';
comment on function public.nest_component(uuid, uuid) is 'Puts a component with all in it into a group, or out of all.';
comment on function public.reorder_components(uuid, uuid[]) is 'Puts all components of a project in this order.';

revoke execute on function public.create_project(text, text, text, jsonb, jsonb) from public;
revoke execute on function public.copy_components(uuid, uuid) from public;
revoke execute on function public.duplicate_project(uuid, text) from public;
revoke execute on function private.hold_copy_target(uuid, uuid) from public;
revoke execute on function private.shows_project(uuid) from public;
revoke execute on function private.edit_project(uuid) from public;
revoke execute on function private.edit_component(uuid) from public;
revoke execute on function private.move_component(uuid, uuid) from public;
revoke execute on function private.nest_component(uuid, uuid) from public;
revoke execute on function private.reorder_components(uuid, uuid[]) from public;
revoke execute on function public.move_component(uuid, uuid) from public;
revoke execute on function public.nest_component(uuid, uuid) from public;
revoke execute on function public.reorder_components(uuid, uuid[]) from public;
