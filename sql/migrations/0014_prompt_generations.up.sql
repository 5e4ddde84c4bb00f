-- 0014 prompt_generations: each time a prompt was sent to a model, what came back, and what it cost.
-- Lock: share row exclusive on public.projects and public.users for the foreign keys. Duration: instant.
-- Down: loses every generation; what they cost stays in analytics.api_usage.

-- Vacuumed early: what has ended leaves the index of what waits, which every start of a generation reads.
create table public.prompt_generations (
    id uuid not null default private.uuid_v7(),
    project_id uuid not null,
    created_by uuid default auth.uid(),
    prompt text not null,
    provider text not null,
    model text not null,
    parameters jsonb not null default '{}',
    status text not null default 'pending',
    response text,
    error text,
    tokens_in bigint not null default 0,
    tokens_out bigint not null default 0,
    -- US dollars, exact: sums of floats would not agree with the provider's invoice. To ten decimals, since embedding a
    -- short text costs $0.0000002.
    cost numeric(18, 10) not null default 0,
    latency_ms bigint,
    estimated_tokens bigint,
    estimated_cost numeric(18, 10),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    constraint prompt_generations_pkey primary key (id),
    constraint prompt_generations_project_id_fkey foreign key (project_id)
    references public.projects (id) on delete cascade,
    -- In a shared project the generation stays when the person who asked for it leaves.
    constraint prompt_generations_created_by_fkey foreign key (created_by)
    references public.users (id) on delete set null,
    constraint prompt_generations_prompt_check check (char_length(prompt) between 1 and 200000),
    constraint prompt_generations_provider_check check (provider ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    constraint prompt_generations_model_check check (char_length(model) between 1 and 200),
    constraint prompt_generations_parameters_check check (private.is_bounded_object(parameters, 65536)),
    constraint prompt_generations_status_check check (
        status in ('pending', 'running', 'succeeded', 'failed', 'cancelled')
    ),
    constraint prompt_generations_response_check check (char_length(response) <= 2000000),
    constraint prompt_generations_error_check check (char_length(error) <= 10000),
    constraint prompt_generations_tokens_check check (
        tokens_in between 0 and 1000000000000 and tokens_out between 0 and 1000000000000
    ),
    -- An upper bound refuses NaN too, which is above every number.
    constraint prompt_generations_cost_check check (cost between 0 and 99999999),
    constraint prompt_generations_estimate_check check (
        estimated_tokens between 0 and 200000000 and estimated_cost between 0 and 99999999
    ),
    constraint prompt_generations_latency_ms_check check (latency_ms >= 0),
    -- What is over has an end, what isn't has none; a failure says why, a success has an answer.
    constraint prompt_generations_finished_at_check check (
        (finished_at is null) = (status in ('pending', 'running'))
    ),
    constraint prompt_generations_outcome_check check (
        case status when 'succeeded' then response is not null when 'failed' then error is not null else true end
    )
) with (autovacuum_vacuum_scale_factor = 0.01);

alter table public.prompt_generations enable row level security;
alter table public.prompt_generations force row level security;

-- A project's history, newest first; also the foreign key's look-up and the row policy's.
create unique index prompt_generations_project_id_created_at_id_idx
on public.prompt_generations (project_id, created_at desc, id desc);

-- A deleted row tells subscribers its replica identity: the id alone would not say of which project it was.
alter table public.prompt_generations replica identity using index prompt_generations_project_id_created_at_id_idx;

-- What a person has generated anywhere.
create index prompt_generations_created_by_created_at_id_idx
on public.prompt_generations (created_by, created_at desc, id desc);

-- What waits or hangs, oldest first, and how many of them are a person's: a handful of rows out of all there are.
create index prompt_generations_created_at_id_idx on public.prompt_generations (created_at, id) include (created_by)
where status in ('pending', 'running');

comment on table public.prompt_generations is 'Prompts sent to models: answer, tokens, cost, time and what went wrong.';
comment on column public.prompt_generations.id is 'Key, ordered by time of making.';
comment on column public.prompt_generations.project_id is 'The project it belongs to.';
comment on column public.prompt_generations.created_by is 'Who asked for it; null if that person is gone.';
comment on column public.prompt_generations.prompt is 'The text that was sent.';
comment on column public.prompt_generations.provider is 'Whose model it is.';
comment on column public.prompt_generations.model is 'The model, as its provider names it.';
comment on column public.prompt_generations.parameters is 'Temperature and the like, by name; at most 64 KiB.';
comment on column public.prompt_generations.status is 'pending, running, succeeded, failed or cancelled.';
comment on column public.prompt_generations.response is 'What came back.';
comment on column public.prompt_generations.error is 'Why it failed.';
comment on column public.prompt_generations.tokens_in is 'Tokens sent, as billed.';
comment on column public.prompt_generations.tokens_out is 'Tokens received, as billed.';
comment on column public.prompt_generations.cost is 'What it cost, in US dollars.';
comment on column public.prompt_generations.latency_ms is 'From request to last byte, in milliseconds.';
comment on column public.prompt_generations.estimated_tokens is 'Reserved until it is over; null for the usual.';
comment on column public.prompt_generations.estimated_cost is 'Reserved until it is over; null for the usual.';
comment on column public.prompt_generations.created_at is 'When it was asked for.';
comment on column public.prompt_generations.updated_at is 'When the row last changed, set by trigger.';
comment on column public.prompt_generations.started_at is 'When a server took it; set by trigger.';
comment on column public.prompt_generations.finished_at is 'When it was over, whatever the outcome; set by trigger.';

create trigger _100_updated_at
before update on public.prompt_generations
for each row execute function private.tg__updated_at();

-- For servers too: pending, perhaps running, then over for good; the times are the database's, whatever a client says.
create function private.tg_prompt_generations__advance() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    if TG_OP = 'INSERT' then
        NEW.started_at = case when NEW.status <> 'pending' then now() end;
        NEW.finished_at = case when NEW.status not in ('pending', 'running') then now() end;
        return NEW;
    end if;
    NEW.started_at = OLD.started_at;
    NEW.finished_at = OLD.finished_at;
    if NEW.status = OLD.status then
        return NEW;
    end if;
    if OLD.status not in ('pending', 'running') or NEW.status = 'pending' then
        raise exception 'generation % is % and can''t become %', OLD.id, OLD.status, NEW.status
            using errcode = 'check_violation', constraint = 'prompt_generations_advances';
    end if;
    if NEW.status = 'running' then
        NEW.started_at = now();
    else
        NEW.finished_at = now();
    end if;
    return NEW;
end
$$;

-- After the row: an upsert of one that is over begins as an insert, and there is nothing new in it.
create function private.tg_prompt_generations__begin() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    raise exception 'a generation begins as pending or running, not as %', NEW.status
        using errcode = 'check_violation', constraint = 'prompt_generations_begins',
            hint = 'Insert it, then end it by public.record_generation().';
end
$$;

comment on function private.tg_prompt_generations__advance() is 'Trigger, before writes: status goes forward, times.';
comment on function private.tg_prompt_generations__begin() is 'Trigger, after insert: refuses a new one that is over.';

revoke execute on function private.tg_prompt_generations__advance() from public;
revoke execute on function private.tg_prompt_generations__begin() from public;

create trigger _200_advance
before insert or update of status, started_at, finished_at on public.prompt_generations
for each row execute function private.tg_prompt_generations__advance();

create trigger _210_begin
after insert on public.prompt_generations
for each row when (new.status not in ('pending', 'running'))
execute function private.tg_prompt_generations__begin();

create trigger _400_date_projects_insert
after insert on public.prompt_generations
referencing new table as changed
for each statement execute function private.tg__date_projects();

-- Not when the person who asked goes: that is no change of the project.
create trigger _400_date_project_update
after update of status on public.prompt_generations
for each row when (old.status <> new.status)
execute function private.tg__date_project();

-- Nor when housekeeping deletes old ones, or their project goes.
create trigger _400_date_projects_delete
after delete on public.prompt_generations
referencing old table as changed
for each statement when (current_user <> 'app_owner')
execute function private.tg__date_projects();
