-- 0039 restorable_summaries: summaries are filled by functions that read as row security allows, also in a restore.
-- Lock: access exclusive on the three summaries while they are made anew. Duration: that of ops.refresh_summaries().
-- Down: loses no data.

-- A restore runs with row_security off, so that what it can't read fails loudly. So did the refresh of the summaries,
-- which their owner does, whom the tables' forced row security binds. A function has the setting of its own.
-- squawk-ignore ban-drop-view
drop materialized view analytics.usage_overview;
-- squawk-ignore ban-drop-view
drop materialized view analytics.project_totals;
-- squawk-ignore ban-drop-view
drop materialized view analytics.daily_usage;

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
            n.project_id, count(*) as generations, sum(n.tokens_total)::bigint as tokens, sum(n.cost) as cost,
            max(n.created_at) as latest
        from public.prompt_generations as n group by n.project_id
    ) as g on g.project_id = p.id;
end;

create materialized view analytics.daily_usage as
select d.day, d.user_id, d.provider, d.model, d.requests, d.tokens_in, d.tokens_out, d.cost
from private.sum_daily_usage() as d;

create materialized view analytics.project_totals as
select
    t.project_id, t.components, t.recordings, t.duration_ms, t.generations, t.tokens, t.cost, t.active_at
from private.sum_project_totals() as t;

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
create unique index daily_usage_user_id_day_idx on analytics.daily_usage (user_id, day, provider, model);
-- squawk-ignore require-concurrent-index-creation
create unique index project_totals_project_id_idx on analytics.project_totals (project_id);
-- squawk-ignore require-concurrent-index-creation
create unique index usage_overview_day_idx on analytics.usage_overview (day, provider, model);

comment on function private.sum_daily_usage() is 'What fills analytics.daily_usage.';
comment on function private.sum_project_totals() is 'What fills analytics.project_totals.';
comment on materialized view analytics.daily_usage is 'Usage by day, person and model, as of the last refresh.';
comment on materialized view analytics.project_totals is 'What is in each project, as of the last refresh.';
comment on materialized view analytics.usage_overview is 'Usage of all by day and model, of five people or more.';

revoke execute on function private.sum_daily_usage() from public;
revoke execute on function private.sum_project_totals() from public;
