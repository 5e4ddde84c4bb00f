-- 0016 usage: a generation is recorded with what it cost in one go, and dashboards read summaries made beforehand.
-- Lock: new functions and materialized views only, none. Duration: instant.
-- Down: drops functions and summaries; loses no data, they are made from what stays.

-- Steps run with row_security off, so that moving data fails loudly; the server tries the bodies of functions under
-- that setting too. Nothing is moved here.
set local row_security = on;

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
language sql stable
set search_path = ''
begin atomic
    select u.provider, u.model, count(*), sum(u.tokens_in)::bigint, sum(u.tokens_out)::bigint, sum(u.cost)
    from analytics.api_usage as u
    where u.user_id = (select auth.uid()) and u.created_at >= since
    group by u.provider, u.model
    order by sum(u.cost) desc;
end;

-- Summaries know no row security. Nobody is granted them: people reach their own rows by the functions below.
-- Made empty, since the owner role sees no row in a step: a dashboard shows nothing until ops.refresh_summaries ran.
create materialized view analytics.daily_usage as
select
    (u.created_at at time zone 'UTC')::date as day,
    u.user_id,
    u.provider,
    u.model,
    count(*) as requests,
    sum(u.tokens_in)::bigint as tokens_in,
    sum(u.tokens_out)::bigint as tokens_out,
    sum(u.cost) as cost
from analytics.api_usage as u
where u.user_id is not null
group by 1, 2, 3, 4;

-- Unique, or it could not be refreshed while it is read; by person first, as the function below asks.
-- squawk-ignore require-concurrent-index-creation
create unique index daily_usage_user_id_day_idx on analytics.daily_usage (user_id, day, provider, model);

create materialized view analytics.project_totals as
select
    p.id as project_id,
    coalesce(c.components, 0) as components,
    coalesce(r.recordings, 0) as recordings,
    coalesce(r.duration_ms, 0) as duration_ms,
    coalesce(g.generations, 0) as generations,
    coalesce(g.tokens, 0) as tokens,
    coalesce(g.cost, 0) as cost,
    greatest(p.updated_at, r.latest, g.latest) as active_at
from public.projects as p
left join (
    select n.project_id, count(*) as components from public.project_components as n group by n.project_id
) as c on c.project_id = p.id
left join (
    select n.project_id, count(*) as recordings, sum(n.duration_ms)::bigint as duration_ms, max(n.created_at) as latest
    from public.audio_recordings as n group by n.project_id
) as r on r.project_id = p.id
left join (
    select
        n.project_id, count(*) as generations, sum(n.tokens_total)::bigint as tokens, sum(n.cost) as cost,
        max(n.created_at) as latest
    from public.prompt_generations as n group by n.project_id
) as g on g.project_id = p.id;

-- squawk-ignore require-concurrent-index-creation
create unique index project_totals_project_id_idx on analytics.project_totals (project_id);

comment on materialized view analytics.daily_usage is 'Usage by day, person and model, as of the last refresh.';
comment on materialized view analytics.project_totals is 'What is in each project, as of the last refresh.';

-- Definer, as the summaries are their owner's. After a restore of the definitions alone they can't be read at all, and
-- the first refresh can't be a concurrent one.
create function private.refresh_summaries() returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    summary record;
begin
    for summary in
        select c.oid::regclass as name, c.relispopulated from pg_catalog.pg_class as c
        where c.relnamespace = 'analytics'::regnamespace and c.relkind = 'm' order by c.relname
    loop
        if summary.relispopulated then
            execute format('refresh materialized view concurrently %s', summary.name);
        else
            execute format('refresh materialized view %s', summary.name);
        end if;
    end loop;
end
$$;

create function private.usage_by_day(since date, until date)
returns table (day date, provider text, model text, requests bigint, tokens_in bigint, tokens_out bigint, cost numeric)
language sql stable security definer
set search_path = ''
as $$
    select d.day, d.provider, d.model, d.requests, d.tokens_in, d.tokens_out, d.cost
    from analytics.daily_usage as d
    where d.user_id = (select auth.uid()) and d.day between since and until
    order by d.day, d.provider, d.model
$$;

create function private.project_summaries(projects uuid[])
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
        and t.project_id in (select private.my_project_ids())
$$;

create function ops.refresh_summaries() returns void
language sql volatile
set search_path = ''
begin atomic
    select private.refresh_summaries();
end;

create function public.usage_by_day(
    since date default (now() - interval '30 days')::date,
    until date default now()::date
)
returns table (day date, provider text, model text, requests bigint, tokens_in bigint, tokens_out bigint, cost numeric)
language sql stable
set search_path = ''
begin atomic
    select u.day, u.provider, u.model, u.requests, u.tokens_in, u.tokens_out, u.cost
    from private.usage_by_day(since, until) as u;
end;

create function public.project_summaries(projects uuid[])
returns table (
    project_id uuid, components bigint, recordings bigint, duration_ms bigint, generations bigint, tokens bigint,
    cost numeric, active_at timestamptz
)
language sql stable
set search_path = ''
begin atomic
    select
        s.project_id, s.components, s.recordings, s.duration_ms, s.generations, s.tokens, s.cost, s.active_at
    from private.project_summaries(projects) as s;
end;

comment on function public.record_generation(
    uuid, uuid, text, text, text, jsonb, text, text, bigint, bigint, numeric, bigint, uuid
) is 'For the app''s servers: a generation that is over, with its usage; its id.';
comment on function public.usage_summary(timestamptz) is 'What the asker''s use of models came to, by model, live.';
comment on function private.refresh_summaries() is 'See ops.refresh_summaries.';
comment on function private.usage_by_day(date, date) is 'See public.usage_by_day.';
comment on function private.project_summaries(uuid[]) is 'See public.project_summaries.';
comment on function ops.refresh_summaries() is 'Makes the summaries of dashboards anew, while they are read.';
comment on function public.usage_by_day(date, date) is 'The asker''s usage by day and model, as of the last refresh.';
comment on function public.project_summaries(uuid[]) is 'What is in these projects of the asker''s, as of then.';

revoke execute on function public.record_generation(
    uuid, uuid, text, text, text, jsonb, text, text, bigint, bigint, numeric, bigint, uuid
) from public;
revoke execute on function public.usage_summary(timestamptz) from public;
revoke execute on function private.refresh_summaries() from public;
revoke execute on function private.usage_by_day(date, date) from public;
revoke execute on function private.project_summaries(uuid[]) from public;
revoke execute on function ops.refresh_summaries() from public;
revoke execute on function public.usage_by_day(date, date) from public;
revoke execute on function public.project_summaries(uuid[]) from public;
