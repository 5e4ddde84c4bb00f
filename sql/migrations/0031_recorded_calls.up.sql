-- 0031 recorded_calls: what calls of models came to, each recorded once, with what has become of its generation.
-- Lock: new objects only, none. Duration: instant.
-- Down: loses which calls were recorded, so that a retry is paid again; usage stays.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

create table private.recorded_calls (
    key text not null,
    generation_id uuid not null,
    content bytea not null,
    outcome text not null,
    recorded_at timestamptz not null default now(),
    constraint recorded_calls_pkey primary key (key),
    constraint recorded_calls_key_check check (char_length(key) between 1 and 200)
);

create index recorded_calls_recorded_at_idx on private.recorded_calls (recorded_at);

alter table private.recorded_calls enable row level security;
alter table private.recorded_calls force row level security;

comment on table private.recorded_calls is 'Calls of models that are recorded, so that none is paid twice.';
comment on column private.recorded_calls.key is 'What no other call has, such as the provider''s request id.';
comment on column private.recorded_calls.generation_id is 'For which generation; it may be gone.';
comment on column private.recorded_calls.content is 'SHA-256 of what was recorded.';
comment on column private.recorded_calls.outcome is 'What was answered.';
comment on column private.recorded_calls.recorded_at is 'When it was recorded.';

-- Policies come with the migration, in the words of sql/policies, which the program then takes over: between the two,
-- servers record calls.
create policy recorded_calls_select_definer on private.recorded_calls for select to app_owner, backup using (true);
create policy recorded_calls_insert_definer on private.recorded_calls for insert to app_owner with check (true);
create policy recorded_calls_update_definer on private.recorded_calls for update to app_owner using (true)
with check (true);
create policy recorded_calls_delete_definer on private.recorded_calls for delete to app_owner using (true);

comment on policy recorded_calls_select_definer on private.recorded_calls is
'The owner role finds a call by its key; backups read all.';
comment on policy recorded_calls_insert_definer on private.recorded_calls is 'The owner role notes a call.';
comment on policy recorded_calls_update_definer on private.recorded_calls is 'The owner role notes what came of it.';
comment on policy recorded_calls_delete_definer on private.recorded_calls is 'The owner role forgets old calls.';

-- Project, person, provider and model are those of the generation, or of its reservation where it was deleted.
create function private.record_generation(
    generation uuid, key text, response text, error text, tokens_in bigint, tokens_out bigint, cost numeric,
    latency_ms bigint
) returns text
language plpgsql volatile security definer
set search_path = ''
as $$
#variable_conflict use_variable
declare
    paid constant numeric(18, 10) = cost;
    content constant bytea = sha256(convert_to(jsonb_build_array(
        generation, response, error, tokens_in, tokens_out, paid, latency_ms
    )::text, 'UTF8'));
    known record;
    asked record;
    waiting boolean;
    outcome text = case when response is not null then 'succeeded' else 'failed' end;
    -- Whatever is too long to be kept is paid for all the same.
    answer constant text = left(response, 2000000);
    trouble constant text = left(case when response is null then coalesce(error, 'no answer') else error end, 10000);
begin
    insert into private.recorded_calls (key, generation_id, content, outcome)
    values (key, generation, content, outcome)
    on conflict on constraint recorded_calls_pkey do nothing;
    if not found then
        select c.generation_id, c.content, c.outcome into strict known
        from private.recorded_calls as c where c.key = key;
        if known.content <> content then
            raise exception 'call % is recorded already, with other content, for generation %', key, known.generation_id
                using errcode = 'unique_violation', hint = 'Each call has its own key; a retry says the same again.';
        end if;
        return known.outcome;
    end if;
    select g.project_id, g.created_by as user_id, g.provider, g.model, g.status into asked
    from public.prompt_generations as g where g.id = generation for update;
    if not found then
        select r.project_id, r.user_id, r.provider, r.model, 'deleted' as status into asked
        from private.budget_reservations as r where r.generation_id = generation;
        if not found then
            raise exception 'there is no generation %, nor was one deleted lately', generation
                using errcode = 'PT404';
        end if;
    end if;
    waiting = asked.status in ('pending', 'running');
    outcome = case when waiting then outcome else asked.status end;
    -- What is over keeps its status and its answer, and costs what its calls have cost together.
    update public.prompt_generations as g
    set status = outcome,
        response = case when waiting then answer else g.response end,
        error = case when waiting then trouble else g.error end,
        tokens_in = g.tokens_in + tokens_in, tokens_out = g.tokens_out + tokens_out, cost = g.cost + paid,
        latency_ms = coalesce(latency_ms, g.latency_ms)
    where g.id = generation;
    insert into analytics.api_usage (
        user_id, project_id, generation_id, provider, model, tokens_in, tokens_out, cost, latency_ms, succeeded
    )
    values (
        asked.user_id, asked.project_id, generation, asked.provider, asked.model, tokens_in, tokens_out, paid,
        latency_ms, response is not null
    );
    if waiting and asked.user_id is not null then
        insert into analytics.user_activity (user_id, action, project_id, details)
        values (
            asked.user_id, 'generation.' || outcome, asked.project_id, jsonb_build_object('generation', generation)
        );
    end if;
    perform private.release_budget(generation);
    update private.recorded_calls as c set outcome = outcome where c.key = key;
    return outcome;
end
$$;

-- A day after it has expired a reservation is of no use to a late call either; nobody tries again after a month.
create function private.forget_calls() returns bigint
language sql volatile security definer
set search_path = ''
as $$
    with reservations as (
        delete from private.budget_reservations where expires_at < now() - interval '1 day' returning 1
    ),
    calls as (delete from private.recorded_calls where recorded_at < now() - interval '31 days' returning 1)
    select (select count(*) from reservations) + (select count(*) from calls)
$$;

-- For the app's servers alone: tokens and cost are nothing that a person may claim.
create function public.record_generation(
    generation uuid,
    key text,
    response text default null,
    error text default null,
    tokens_in bigint default 0,
    tokens_out bigint default 0,
    cost numeric default 0,
    latency_ms bigint default null
) returns text
language sql volatile
set search_path = ''
return private.record_generation(generation, key, response, error, tokens_in, tokens_out, cost, latency_ms);

create function ops.forget_calls() returns bigint
language sql volatile
set search_path = ''
return private.forget_calls();

comment on function private.record_generation(uuid, text, text, text, bigint, bigint, numeric, bigint) is
'See public.record_generation.';
comment on function private.forget_calls() is 'See ops.forget_calls.';
comment on function public.record_generation(uuid, text, text, text, bigint, bigint, numeric, bigint) is
'For the app''s servers: what a call of a model came to, once by its key; what has become of the generation.';
comment on function ops.forget_calls() is 'Deletes old reservations and keys of calls; how many there were.';

revoke execute on function private.record_generation(
    uuid, text, text, text, bigint, bigint, numeric, bigint
) from public;
revoke execute on function private.forget_calls() from public;
revoke execute on function public.record_generation(
    uuid, text, text, text, bigint, bigint, numeric, bigint
) from public;
revoke execute on function ops.forget_calls() from public;
