-- 0019 usage: a generation is recorded with what it cost in one go.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data.

-- For the app's servers alone: tokens and cost are nothing that a person may claim.
create function public.record_generation(
    project uuid,
    person uuid,
    prompt text,
    provider text,
    model text,
    parameters jsonb default '{}',
    response text default null,
    error text default null,
    tokens_in bigint default 0,
    tokens_out bigint default 0,
    cost numeric default 0,
    latency_ms bigint default null,
    generation uuid default null
) returns uuid
language plpgsql volatile
set search_path = ''
as $$
#variable_conflict use_variable
declare
    recorded uuid;
    outcome text = case when response is not null then 'succeeded' else 'failed' end;
    trouble text = case when response is null then coalesce(error, 'no answer') else error end;
begin
    -- With `generation` it ends one that a person had asked for, and can't end it twice: its cost would count double.
    if generation is not null then
        update public.prompt_generations as g
        set status = outcome, response = response, error = trouble, tokens_in = tokens_in,
            tokens_out = tokens_out, cost = cost, latency_ms = latency_ms, finished_at = now()
        where g.id = generation and g.status in ('pending', 'running')
        returning g.id into recorded;
        if recorded is null then
            raise exception 'there is no generation % that is not over', generation using errcode = 'no_data_found';
        end if;
    else
        insert into public.prompt_generations (
            project_id, created_by, prompt, provider, model, parameters, status, response, error,
            tokens_in, tokens_out, cost, latency_ms, finished_at
        )
        values (
            project, person, prompt, provider, model, parameters, outcome, response, trouble,
            tokens_in, tokens_out, cost, latency_ms, now()
        )
        returning id into recorded;
    end if;
    insert into analytics.api_usage (
        user_id, project_id, generation_id, provider, model, tokens_in, tokens_out, cost, latency_ms, succeeded
    )
    values (
        person, project, recorded, provider, model, tokens_in, tokens_out, cost, latency_ms, outcome = 'succeeded'
    );
    if person is not null then
        insert into analytics.user_activity (user_id, action, project_id, details)
        values (person, 'generation.' || outcome, project, jsonb_build_object('generation', recorded));
    end if;
    return recorded;
end
$$;

-- Read by the asker's own row policy, up to the last second.
create function public.usage_summary(since timestamptz default now() - interval '30 days')
returns table (provider text, model text, requests bigint, tokens_in bigint, tokens_out bigint, cost numeric)
language plpgsql stable
set search_path = ''
as $$
#variable_conflict use_column
begin
    return query
    select u.provider, u.model, count(*), sum(u.tokens_in)::bigint, sum(u.tokens_out)::bigint, sum(u.cost)
    from analytics.api_usage as u
    where u.user_id = (select auth.uid()) and u.created_at >= since
    group by u.provider, u.model
    order by sum(u.cost) desc;
end
$$;

comment on function public.record_generation(
    uuid, uuid, text, text, text, jsonb, text, text, bigint, bigint, numeric, bigint, uuid
) is 'For the app''s servers: a generation that is over, with its usage; its id.';
comment on function public.usage_summary(timestamptz) is 'What the asker''s use of models came to, by model, live.';

revoke execute on function public.record_generation(
    uuid, uuid, text, text, text, jsonb, text, text, bigint, bigint, numeric, bigint, uuid
) from public;
revoke execute on function public.usage_summary(timestamptz) from public;
