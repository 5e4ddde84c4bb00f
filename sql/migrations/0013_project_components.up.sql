-- 0013 project_components: the pieces on a project's canvas, of which its prompt is composed.
-- Lock: share row exclusive on public.projects and public.audio_recordings for the foreign keys. Duration: instant.
-- Down: loses every component of every project.

create table public.project_components (
    id uuid not null default private.uuid_v7(),
    project_id uuid not null,
    parent_id uuid,
    recording_id uuid,
    kind text not null,
    title text not null default '',
    -- Where it lies on the canvas; has nothing to do with its place in the prompt.
    x double precision not null default 0,
    y double precision not null default 0,
    width double precision not null default 240,
    height double precision not null default 120,
    -- Its place in the prompt, among all of its project: the decimals of a number between 0 and 1. Between two of them
    -- there is always another one, so a drag writes one row; and texts, unlike numbers in JSON, have all their digits
    -- everywhere. docs/decisions has the reasons, in "the canvas with several editors".
    position text collate "C" not null,
    properties jsonb not null default '{}',
    -- Of properties alone: who drags a component doesn't make stale what somebody else is typing into it.
    revision bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint project_components_pkey primary key (id),
    constraint project_components_project_id_fkey foreign key (project_id)
    references public.projects (id) on delete cascade,
    -- What the next one refers to.
    constraint project_components_id_project_id_key unique (id, project_id),
    -- A group is of the same project, and takes its pieces with it.
    constraint project_components_parent_id_fkey foreign key (parent_id, project_id)
    references public.project_components (id, project_id) on delete cascade,
    constraint project_components_recording_id_fkey foreign key (recording_id)
    references public.audio_recordings (id) on delete set null,
    constraint project_components_kind_check check (
        kind in ('text', 'instruction', 'example', 'variable', 'audio', 'image', 'output', 'group')
    ),
    constraint project_components_title_check check (char_length(title) <= 200),
    -- Also keeps out the two infinities and not-a-number, which no client can draw.
    constraint project_components_x_check check (x between -1e6 and 1e6),
    constraint project_components_y_check check (y between -1e6 and 1e6),
    constraint project_components_width_check check (width > 0 and width <= 1e5),
    constraint project_components_height_check check (height > 0 and height <= 1e5),
    -- No zero at its end, or two texts would be one number.
    constraint project_components_position_check check (position ~ '^[0-9]{0,63}[1-9]$'),
    -- At the end of each statement and not after each row: a new order passes through old places. Also the order in
    -- which components are read, the foreign key's look-up and the row policy's.
    constraint project_components_project_id_position_key unique (project_id, position) deferrable initially immediate,
    constraint project_components_revision_check check (revision > 0),
    constraint project_components_parent_id_check check (parent_id <> id),
    constraint project_components_recording_id_check check (recording_id is null or kind = 'audio'),
    constraint project_components_properties_check check (private.is_bounded_object(properties, 262144))
);

alter table public.project_components enable row level security;
alter table public.project_components force row level security;

-- A deleted row tells subscribers its replica identity: the id alone would not say of which project it was.
alter table public.project_components replica identity using index project_components_id_project_id_key;

-- Most have neither parent nor recording; a partial index would be smaller, and of no use to the foreign key.
create index project_components_parent_id_project_id_idx on public.project_components (parent_id, project_id);
create index project_components_recording_id_idx on public.project_components (recording_id);

comment on table public.project_components is 'Pieces of a project: where on the canvas, in which order.';
comment on column public.project_components.id is 'Key, ordered by time of making; a client may choose it.';
comment on column public.project_components.project_id is 'The project it belongs to.';
comment on column public.project_components.parent_id is 'The group it lies in, null for none.';
comment on column public.project_components.recording_id is 'The recording of an audio component.';
comment on column public.project_components.kind is 'What it is: text, instruction, audio, group and so on.';
comment on column public.project_components.title is 'Name, may be empty.';
comment on column public.project_components.x is 'Left edge on the canvas.';
comment on column public.project_components.y is 'Upper edge on the canvas.';
comment on column public.project_components.width is 'Width on the canvas.';
comment on column public.project_components.height is 'Height on the canvas.';
comment on column public.project_components.position is
'Place in the prompt: texts in the order of their characters, given by the database, never twice in a project.';
comment on column public.project_components.properties is 'Content and settings, by kind; at most 256 KiB.';
comment on column public.project_components.revision is
'Version of properties. A write of properties names the one that it is based on, and the database adds one.';
comment on column public.project_components.created_at is 'When it was made.';
comment on column public.project_components.updated_at is 'When it last changed, set by trigger.';

create trigger _100_updated_at
before update on public.project_components
for each row execute function private.tg__updated_at();

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- The policies of the owner role come with the migration, in the words of sql/policies, which the program then takes
-- over: without them the triggers below would see no component, and give two the same place.
create policy project_components_select_definer on public.project_components
for select to app_owner, backup using (true);
create policy project_components_update_definer on public.project_components
for update to app_owner using (true) with check (true);

comment on policy project_components_select_definer on public.project_components is
'The owner role reads all, to order and to count them; backups read all.';
comment on policy project_components_update_definer on public.project_components is
'The owner role orders them and puts them into groups; its functions check who asks.';

create function private.most_components() returns integer
language sql immutable
set search_path = ''
return 2000;

-- Anyone who changes the order or the tree of a project holds its row: first, before any row of the project, and none
-- but that one. So all such changes of a project come one after the other, and no two of them wait for each other. The
-- row policy on deletes asks this as well, since a policy is asked before a row is locked and a trigger after that. A
-- person who may not change a project can't hold it up.
create function private.lock_project(project uuid) returns boolean
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    if not private.is_server() and not private.may_edit(project) then
        return false;
    end if;
    -- Not "for update", for which new recordings and generations would have to wait.
    perform from public.projects as p where p.id = project for no key update;
    if not private.is_server() and not private.may_edit(project) then
        -- The row policy, which is asked after this, reads the membership as it was before the wait.
        raise exception 'project % is no longer yours to change', project using errcode = 'insufficient_privilege';
    end if;
    return found;
end
$$;

-- The place that this number has of 99,999,999.
create function private.place_at(number bigint) returns text
language sql immutable
set search_path = ''
return rtrim(lpad(number::text, 8, '0'), '0');

-- Numeric has as many decimals as there are, and adds and halves them without rounding. At the ends one step further,
-- or each component that is added would halve what is left; in between the shortest that there is, of at most 64
-- digits.
create function private.place_between(low text, high text) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
    step constant numeric = 0.00000001;
    bottom constant numeric = ('0.' || low)::numeric;
    top constant numeric = ('0.' || high)::numeric;
    place numeric;
begin
    if top is null then
        place = trunc(coalesce(bottom, 0.5), 8) + step;
    elsif bottom is null then
        place = trunc(top, 8) - step;
    else
        for digits in 1 .. 64 loop
            place = trunc((bottom + top) * 0.5, digits);
            exit when place > bottom;
            place = null;
        end loop;
    end if;
    return case when place > 0 and place < 1 then substr(trim_scale(place)::text, 3) end;
end
$$;

-- For a session that holds the project. Rows are locked in the order of their keys, in which "id in (…)" finds them as
-- well.
create function private.order_components(project uuid, components uuid[]) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
    before constant bigint = 50000000 - cardinality(components) / 2;
begin
    perform from public.project_components as c
    where c.project_id = order_components.project
    order by c.id
    for no key update;
    update public.project_components as c set position = o.position
    from (
        select n.id, private.place_at(before + n.place) as position
        from unnest(components) with ordinality as n (id, place)
    ) as o
    where c.project_id = order_components.project and c.id = o.id and c.position <> o.position;
end
$$;

-- For a session that holds the project. Where there is no room any more the whole project gets new short places.
create function private.place_behind(project uuid, after uuid) returns text
language plpgsql volatile
set search_path = ''
as $$
declare
    low text;
    high text;
    place text;
begin
    loop
        select c.position into low from public.project_components as c
        where c.project_id = place_behind.project and c.id = after;
        -- An empty text comes before all others; "or" would read the project from its beginning.
        select c.position into high from public.project_components as c
        where c.project_id = place_behind.project and c.position > coalesce(low, '')
        order by c.position
        limit 1;
        place = private.place_between(low, high);
        exit when place is not null;
        perform private.order_components(project, array(
            select c.id from public.project_components as c
            where c.project_id = place_behind.project
            order by c.position
        ));
    end loop;
    return place;
end
$$;

create function private.limit_components(project uuid, most integer) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
    if exists (select from public.project_components as c where c.project_id = project offset most) then
        raise exception using
            errcode = 'check_violation', constraint = 'project_components_limit',
            message = format('project %s has more than %s components', project, most),
            hint = 'Delete some, or go on in another project.';
    end if;
end
$$;

-- Far beyond the limit a statement needn't go on to its end, where the limit is asked: meanwhile it holds the project.
-- Asked at each hundredth place, which has two digits less: it reads as many entries as there may be components.
-- The policy, which is asked after this, or the foreign key refuses in their own words what doesn't get the project
-- here: any place will do. Servers may choose one.
create function private.tg_project_components__take_place() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    if not private.lock_project(NEW.project_id) then
        NEW.position = coalesce(NEW.position, '5');
        return NEW;
    end if;
    if NEW.position is null then
        NEW.position = private.place_behind(NEW.project_id, (
            select c.id from public.project_components as c
            where c.project_id = NEW.project_id
            order by c.position desc
            limit 1
        ));
    end if;
    if char_length(NEW.position) <= 6 then
        perform private.limit_components(NEW.project_id, 2 * private.most_components());
    end if;
    return NEW;
end
$$;

-- A statement that doesn't name the revision leaves it as it is: only a trigger "of revision" sees that it was named.
create function private.tg_project_components__next_revision() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    if NEW.revision is distinct from OLD.revision then
        -- PostgREST makes it 409 Conflict. Not 40001, which it makes 500, and which drivers answer by the same write
        -- again.
        raise exception using
            errcode = 'PT409',
            message = format('component %s was changed meanwhile', OLD.id),
            detail = format('The write is based on revision %s, the component has %s.', NEW.revision, OLD.revision),
            hint = 'Read it again, and send the change with its revision.';
    end if;
    NEW.revision = OLD.revision + 1;
    return NEW;
end
$$;

create function private.tg_project_components__want_revision() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    raise exception using
        errcode = 'PT428',
        message = format('properties of component %s are written without their revision', OLD.id),
        hint = 'Send the revision that was read in the same update: of two changes at once the second would undo the first.';
end
$$;

-- What neither check nor foreign key can say of a tree. After the row: then what came or moved in the same statement is
-- seen. Definer, for private functions only: it looks at nothing but the row's own project.
create function private.tg_project_components__check_tree() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    ancestor uuid = NEW.parent_id;
    above record;
    depth integer = 0;
begin
    if TG_OP = 'UPDATE' then
        -- Functions hold the project before they change a row. Who changes one directly holds that already: to wait for
        -- the project now would be a deadlock with a session that has it and wants the row.
        perform from public.projects as p where p.id = NEW.project_id for no key update skip locked;
        if not found then
            raise exception using
                errcode = 'lock_not_available',
                message = format('somebody else is changing project %s', NEW.project_id),
                hint = 'Lock its row in public.projects first, or call public.nest_component.';
        end if;
        if NEW.kind <> 'group' and exists (
            select from public.project_components as c where c.project_id = NEW.project_id and c.parent_id = NEW.id
        ) then
            raise exception 'a group that holds components cannot become something else'
                using errcode = 'check_violation', constraint = 'project_components_group_of_its_pieces';
        end if;
    end if;
    while ancestor is not null loop
        select c.parent_id, c.kind into above
        from public.project_components as c where c.project_id = NEW.project_id and c.id = ancestor;
        if above.kind <> 'group' then
            raise exception 'a component can lie only in a group'
                using errcode = 'check_violation', constraint = 'project_components_parent_is_group';
        end if;
        depth = depth + 1;
        exit when depth > 16;
        ancestor = above.parent_id;
    end loop;
    -- A circle ends here too.
    if depth <= 16 then
        -- What moves takes along what lies in it.
        with recursive below as (
            select NEW.id as id, depth as depth
            union all
            select c.id, b.depth + 1 from public.project_components as c join below as b on c.parent_id = b.id
            where c.project_id = NEW.project_id
        )
        select max(b.depth) into depth from below as b;
    end if;
    if depth > 16 then
        raise exception 'groups cannot lie in themselves, nor deeper than 16'
            using errcode = 'check_violation', constraint = 'project_components_no_circle';
    end if;
    return null;
end
$$;

create function private.tg_project_components__check_recording() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    if not exists (
        select 1 from public.audio_recordings as r where r.id = NEW.recording_id and r.project_id = NEW.project_id
    ) then
        raise exception 'a component can play only a recording of its own project'
            using errcode = 'check_violation', constraint = 'project_components_recording_in_project';
    end if;
    return NEW;
end
$$;

-- Once for a statement, and exact, since the session that adds holds the project.
create function private.tg_project_components__limit() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    perform private.limit_components(a.project_id, private.most_components())
    from (select distinct n.project_id from added as n) as a;
    return null;
end
$$;

-- As text, which is what readers get: what is stored is compressed, a hundredfold if somebody wants it. Asked where a
-- statement makes a large one, or makes one larger, which changes its revision: 2,000 small ones come to 16 MB, and a
-- drag reads no properties. Of a project with more than fit if each is as large as one may be: to add them up reads
-- them all. Two who write at the same time don't see each other's: the next one is refused.
create function private.tg_project_components__limit_bytes() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    large uuid[];
    most bigint;
    over record;
begin
    if TG_OP = 'INSERT' then
        large = array(select distinct n.project_id from added as n where octet_length(n.properties::text) > 8192);
    else
        large = array(
            select distinct n.project_id
            from added as n
            join removed as r on r.id = n.id and r.revision <> n.revision
            where octet_length(n.properties::text) > greatest(8192, octet_length(r.properties::text))
        );
    end if;
    if large = '{}' then
        return null;
    end if;
    most = private.setting('projectMegabytes')::bigint * 1024 ^ 2;
    large = array(
        select c.project_id from public.project_components as c where c.project_id = any(large)
        group by c.project_id having count(*) * 262144 > most
    );
    select c.project_id, sum(octet_length(c.properties::text)) as bytes into over
    from public.project_components as c where c.project_id = any(large)
    group by c.project_id having sum(octet_length(c.properties::text)) > most limit 1;
    if found then
        raise exception using
            errcode = 'check_violation', constraint = 'project_components_bytes',
            message = format('the components of project %s would take %s bytes', over.project_id, over.bytes),
            detail = format('A project may have %s.', most),
            hint = 'Delete some, go on in another project, or set database:projectMegabytes.';
    end if;
    return null;
end
$$;

comment on function private.tg_project_components__limit_bytes() is 'Trigger, after writes: no project is too large.';
comment on function private.most_components() is 'How many components a project may have.';
comment on function private.lock_project(uuid) is
'Whether the caller may change the project; if so, it is theirs until the transaction ends.';
comment on function private.place_at(bigint) is 'The place of this number, from 1 to 99,999,999.';
comment on function private.place_between(text, text) is 'A place between these, null for an end; null for no room.';
comment on function private.order_components(uuid, uuid[]) is 'Gives all components of a project short places.';
comment on function private.place_behind(uuid, uuid) is 'A free place right behind a component, or in front.';
comment on function private.tg_project_components__take_place() is 'Trigger, before insert: a place behind all others.';
comment on function private.tg_project_components__next_revision() is 'Trigger, before update: refuses a stale write.';
comment on function private.tg_project_components__want_revision() is 'Trigger, before update: refuses a blind write.';
comment on function private.tg_project_components__check_tree() is 'Trigger, after writes: groups hold no circle.';
comment on function private.tg_project_components__check_recording() is 'Trigger, before writes: the recording fits.';
comment on function private.limit_components(uuid, integer) is 'Refuses a project with more components.';
comment on function private.tg_project_components__limit() is 'Trigger, after insert: no project holds too many.';

revoke execute on function private.most_components() from public;
revoke execute on function private.limit_components(uuid, integer) from public;
revoke execute on function private.lock_project(uuid) from public;
revoke execute on function private.place_at(bigint) from public;
revoke execute on function private.place_between(text, text) from public;
revoke execute on function private.order_components(uuid, uuid[]) from public;
revoke execute on function private.place_behind(uuid, uuid) from public;
revoke execute on function private.tg_project_components__take_place() from public;
revoke execute on function private.tg_project_components__next_revision() from public;
revoke execute on function private.tg_project_components__want_revision() from public;
revoke execute on function private.tg_project_components__check_tree() from public;
revoke execute on function private.tg_project_components__check_recording() from public;
revoke execute on function private.tg_project_components__limit() from public;
revoke execute on function private.tg_project_components__limit_bytes() from public;

create trigger _110_next_revision
before update of revision on public.project_components
for each row execute function private.tg_project_components__next_revision();

create trigger _120_want_revision
before update of properties on public.project_components
for each row when (new.properties is distinct from old.properties and new.revision = old.revision)
execute function private.tg_project_components__want_revision();

create trigger _200_take_place
before insert on public.project_components
for each row execute function private.tg_project_components__take_place();

create trigger _210_check_recording
before insert or update of recording_id, project_id on public.project_components
for each row when (new.recording_id is not null)
execute function private.tg_project_components__check_recording();

create trigger _300_check_new_tree
after insert on public.project_components
for each row when (new.parent_id is not null)
execute function private.tg_project_components__check_tree();

create trigger _310_check_tree
after update of parent_id, kind on public.project_components
for each row when (old.parent_id is distinct from new.parent_id or old.kind <> new.kind)
execute function private.tg_project_components__check_tree();

create trigger _320_limit
after insert on public.project_components
referencing new table as added
for each statement execute function private.tg_project_components__limit();

create trigger _330_limit_bytes_insert
after insert on public.project_components
referencing new table as added
for each statement execute function private.tg_project_components__limit_bytes();

create trigger _330_limit_bytes_update
after update on public.project_components
referencing old table as removed new table as added
for each statement execute function private.tg_project_components__limit_bytes();

create trigger _400_date_projects_insert
after insert on public.project_components
referencing new table as changed
for each statement execute function private.tg__date_projects();

create trigger _400_date_projects_update
after update on public.project_components
referencing new table as changed
for each statement execute function private.tg__date_projects();

create trigger _400_date_projects_delete
after delete on public.project_components
referencing old table as changed
for each statement execute function private.tg__date_projects();
