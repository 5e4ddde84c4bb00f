-- 0015 project_functions: what takes more than one statement: making a project, copying and ordering what is in it.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
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

comment on function public.create_project(text, text, text, jsonb, jsonb) is 'A new project of the asker''s; its id.';
comment on function public.copy_components(uuid, uuid) is 'Copies all components of one project into another one.';
comment on function public.duplicate_project(uuid, text) is 'A private copy of a project one can see; its id.';
comment on function public.move_component(uuid, uuid) is 'Puts a component behind another or to the front; its place.';
comment on function public.reorder_components(uuid, uuid[]) is 'Puts all components of a project in this order.';

revoke execute on function public.create_project(text, text, text, jsonb, jsonb) from public;
revoke execute on function public.copy_components(uuid, uuid) from public;
revoke execute on function public.duplicate_project(uuid, text) from public;
revoke execute on function public.move_component(uuid, uuid) from public;
revoke execute on function public.reorder_components(uuid, uuid[]) from public;
