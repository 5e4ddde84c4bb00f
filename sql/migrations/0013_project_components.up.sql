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
    -- Its place in the prompt, among all of its project. Not a number from 1 to n: dragging would write the whole list
    -- anew. Any number between two neighbours will do, and numeric always has one more.
    position numeric not null,
    properties jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint project_components_pkey primary key (id),
    constraint project_components_project_id_fkey foreign key (project_id)
    references public.projects (id) on delete cascade,
    -- A group takes its pieces with it.
    constraint project_components_parent_id_fkey foreign key (parent_id)
    references public.project_components (id) on delete cascade,
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
    -- After some two hundred moves into one gap, public.reorder_components makes round numbers again.
    constraint project_components_position_check check (
        position between -1e15 and 1e15 and scale(position) <= 200
    ),
    constraint project_components_parent_id_check check (parent_id <> id),
    constraint project_components_recording_id_check check (recording_id is null or kind = 'audio'),
    constraint project_components_properties_check check (
        jsonb_typeof(properties) = 'object' and octet_length(properties::text) <= 262144
    )
);

alter table public.project_components enable row level security;
alter table public.project_components force row level security;

-- A project's components in order; also the foreign key's look-up and the row policy's.
create unique index project_components_project_id_position_id_idx
on public.project_components (project_id, position, id);

-- A deleted row tells subscribers its replica identity: the id alone would not say of which project it was.
alter table public.project_components replica identity using index project_components_project_id_position_id_idx;

-- Most have neither parent nor recording; a partial index would be smaller, and of no use to the foreign key.
create index project_components_parent_id_idx on public.project_components (parent_id);
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
comment on column public.project_components.position is 'Place in the prompt: any number between its neighbours''.';
comment on column public.project_components.properties is 'Content and settings, by kind; at most 256 KiB.';
comment on column public.project_components.created_at is 'When it was made.';
comment on column public.project_components.updated_at is 'When it last changed, set by trigger.';

create trigger _100_updated_at
before update on public.project_components
for each row execute function private.tg__updated_at();

-- What neither check nor foreign key can say: groups hold pieces of their own project and never themselves. As invoker:
-- who may write a component sees all of its project, and anything else must look as if it were not there.
create function private.tg_project_components__check_tree() returns trigger
language plpgsql volatile
set search_path = ''
as $$
declare
    ancestor uuid = NEW.parent_id;
    above record;
    depth integer = 0;
begin
    if NEW.parent_id is not null then
        -- Two moves at once could each be right and make a circle together: one project, one move at a time.
        perform pg_advisory_xact_lock(hashtextextended(NEW.project_id::text, 10));
    end if;
    while ancestor is not null loop
        select c.project_id, c.parent_id, c.kind into above
        from public.project_components as c where c.id = ancestor;
        if not found or above.project_id <> NEW.project_id or above.kind <> 'group' then
            raise exception 'a component can lie only in a group of its own project'
                using errcode = 'check_violation', constraint = 'project_components_parent_in_project';
        end if;
        depth = depth + 1;
        if above.parent_id = NEW.id or depth > 16 then
            raise exception 'groups cannot lie in themselves, nor deeper than 16'
                using errcode = 'check_violation', constraint = 'project_components_no_circle';
        end if;
        ancestor = above.parent_id;
    end loop;
    if NEW.recording_id is not null and not exists (
        select 1 from public.audio_recordings as r where r.id = NEW.recording_id and r.project_id = NEW.project_id
    ) then
        raise exception 'a component can play only a recording of its own project'
            using errcode = 'check_violation', constraint = 'project_components_recording_in_project';
    end if;
    return NEW;
end
$$;

comment on function private.tg_project_components__check_tree() is 'Trigger, before writes: parent and recording fit.';

revoke execute on function private.tg_project_components__check_tree() from public;

create trigger _200_check_tree
before insert or update of parent_id, recording_id, project_id, kind on public.project_components
for each row when (new.parent_id is not null or new.recording_id is not null)
execute function private.tg_project_components__check_tree();
