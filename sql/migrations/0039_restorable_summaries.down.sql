-- 0039 restorable_summaries: the summaries read the tables themselves again, and a restore fails on them.
-- Lock: access exclusive on the three summaries while they are made anew. Duration: that of ops.refresh_summaries().
-- Down: loses no data.

-- They read as row security allows.
set local row_security = on;

drop materialized view analytics.usage_overview;
drop materialized view analytics.project_totals;
drop materialized view analytics.daily_usage;
drop function private.sum_project_totals();
drop function private.sum_daily_usage();

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

comment on materialized view analytics.daily_usage is 'Usage by day, person and model, as of the last refresh.';
comment on materialized view analytics.project_totals is 'What is in each project, as of the last refresh.';
comment on materialized view analytics.usage_overview is 'Usage of all by day and model, of five people or more.';
