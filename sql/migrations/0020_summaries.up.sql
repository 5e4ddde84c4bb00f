-- 0020 summaries: dashboards read what was summed up beforehand, their own in full and everybody's rounded.
-- Lock: new functions and materialized views only, none. Duration: instant.
-- Down: drops functions and summaries; loses no data, they are made from what stays.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- Summaries are filled by functions that read as row security allows, which binds the tables' owner too. A restore runs
-- with row_security off, so that what it can't read fails loudly: a function has the setting of its own.
create function private.sum_daily_usage()
returns table (
    day date, user_id uuid, provider text, model text, requests bigint, tokens_in bigint, tokens_out bigint,
    cost numeric
)
language sql stable
set search_path = ''
set row_security = on
begin atomic
    select
        (u.created_at at time zone 'UTC')::date, u.user_id, u.provider, u.model, count(*),
        sum(u.tokens_in)::bigint, sum(u.tokens_out)::bigint, sum(u.cost)
    from analytics.api_usage as u
    where u.user_id is not null
    group by 1, 2, 3, 4;
end;

create function private.sum_project_totals()
returns table (
    project_id uuid, components bigint, recordings bigint, duration_ms bigint, generations bigint, tokens bigint,
    cost numeric, active_at timestamptz
)
language sql stable
set search_path = ''
set row_security = on
begin atomic
    select
        p.id,
        coalesce(c.components, 0),
        coalesce(r.recordings, 0),
        coalesce(r.duration_ms, 0),
        coalesce(g.generations, 0),
        coalesce(g.tokens, 0),
        coalesce(g.cost, 0),
        greatest(p.updated_at, r.latest, g.latest)
    from public.projects as p
    left join (
        select n.project_id, count(*) as components from public.project_components as n group by n.project_id
    ) as c on c.project_id = p.id
    left join (
        select
            n.project_id, count(*) as recordings, sum(n.duration_ms)::bigint as duration_ms,
            max(n.created_at) as latest
        from public.audio_recordings as n group by n.project_id
    ) as r on r.project_id = p.id
    left join (
        select
            n.project_id, count(*) as generations, sum(n.tokens_in + n.tokens_out)::bigint as tokens,
            sum(n.cost) as cost,
            max(n.created_at) as latest
        from public.prompt_generations as n group by n.project_id
    ) as g on g.project_id = p.id;
end;

-- Summaries know no row security. Nobody is granted them: people reach their own rows by the functions below.
-- Made empty, since the owner role sees no row yet: a dashboard shows nothing until ops.refresh_summaries ran.
create materialized view analytics.daily_usage as
select d.day, d.user_id, d.provider, d.model, d.requests, d.tokens_in, d.tokens_out, d.cost
from private.sum_daily_usage() as d;

-- Unique, or it could not be refreshed while it is read; by person first, as the function below asks.
-- squawk-ignore require-concurrent-index-creation
create unique index daily_usage_user_id_day_idx on analytics.daily_usage (user_id, day, provider, model);

create materialized view analytics.project_totals as
select
    t.project_id, t.components, t.recordings, t.duration_ms, t.generations, t.tokens, t.cost, t.active_at
from private.sum_project_totals() as t;

-- squawk-ignore require-concurrent-index-creation
create unique index project_totals_project_id_idx on analytics.project_totals (project_id);

-- Days on which fewer than five people used a model are left out here, not by who reads: what isn't there can't be
-- told. Rounded, so that whoever was the sixth can't be had by comparing the sums of two refreshes.
create materialized view analytics.usage_overview as
select
    u.day,
    u.provider,
    u.model,
    round(sum(u.requests), -1)::bigint as requests,
    round(sum(u.tokens_in) + sum(u.tokens_out), -3)::bigint as tokens
from analytics.daily_usage as u
group by u.day, u.provider, u.model
having count(distinct u.user_id) >= 5;

-- squawk-ignore require-concurrent-index-creation
create unique index usage_overview_day_idx on analytics.usage_overview (day, provider, model);

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
language plpgsql stable security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
    return query
    select d.day, d.provider, d.model, d.requests, d.tokens_in, d.tokens_out, d.cost
    from analytics.daily_usage as d
    where d.user_id = (select auth.uid()) and d.day between since and until
    order by d.day, d.provider, d.model;
end
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
        and private.may_read(t.project_id)
$$;

create function private.usage_overview(since date, until date)
returns table (day date, provider text, model text, requests bigint, tokens bigint)
language plpgsql stable security definer
set search_path = ''
as $$
begin
    return query
    select o.day, o.provider, o.model, o.requests, o.tokens
    from analytics.usage_overview as o
    where o.day between since and until
    order by o.day, o.provider, o.model;
end
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

create function public.usage_overview(
    since date default (now() - interval '30 days')::date,
    until date default now()::date
)
returns table (day date, provider text, model text, requests bigint, tokens bigint)
language sql stable
set search_path = ''
begin atomic
    select u.day, u.provider, u.model, u.requests, u.tokens from private.usage_overview(since, until) as u;
end;

comment on function private.sum_daily_usage() is 'What fills analytics.daily_usage.';
comment on function private.sum_project_totals() is 'What fills analytics.project_totals.';
comment on materialized view analytics.daily_usage is 'Usage by day, person and model, as of the last refresh.';
comment on materialized view analytics.project_totals is 'What is in each project, as of the last refresh.';
comment on materialized view analytics.usage_overview is 'Usage of all by day and model, of five people or more.';
comment on function private.refresh_summaries() is 'See ops.refresh_summaries.';
comment on function private.usage_by_day(date, date) is 'See public.usage_by_day.';
comment on function private.project_summaries(uuid[]) is 'See public.project_summaries.';
comment on function private.usage_overview(date, date) is 'See public.usage_overview.';
comment on function ops.refresh_summaries() is 'Makes the summaries of dashboards anew, while they are read.';
comment on function public.usage_by_day(date, date) is 'The asker''s usage by day and model, as of the last refresh.';
comment on function public.project_summaries(uuid[]) is 'What is in these projects of the asker''s, as of then.';
comment on function public.usage_overview(date, date) is 'What everybody''s usage comes to, rounded; nobody in it.';

revoke execute on function private.sum_daily_usage() from public;
revoke execute on function private.sum_project_totals() from public;
revoke execute on function private.refresh_summaries() from public;
revoke execute on function private.usage_by_day(date, date) from public;
revoke execute on function private.project_summaries(uuid[]) from public;
revoke execute on function private.usage_overview(date, date) from public;
revoke execute on function ops.refresh_summaries() from public;
revoke execute on function public.usage_by_day(date, date) from public;
revoke execute on function public.project_summaries(uuid[]) from public;
revoke execute on function public.usage_overview(date, date) from public;
