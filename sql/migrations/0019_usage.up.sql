-- 0019 usage: what a person's use of models came to, by model and by day.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data.

-- Read by the caller's own row policy, up to the last second.
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

-- Days as their calendar has them. Without dates: the last 30 days and today.
create function public.usage_by_day(since date default null, until date default null)
returns table (day date, provider text, model text, requests bigint, tokens_in bigint, tokens_out bigint, cost numeric)
language plpgsql stable
set search_path = ''
as $$
#variable_conflict use_column
declare
    zone constant text = coalesce((select p.time_zone from public.users as p where p.id = auth.uid()), 'UTC');
    today constant date = (now() at time zone zone)::date;
    -- What lies further off has no calls, and no time of its own.
    first_day constant date = greatest(coalesce(usage_by_day.since, today - 30), '2000-01-01');
    last_day constant date = least(coalesce(usage_by_day.until, today), today + 1);
begin
    return query
    select
        (u.created_at at time zone zone)::date, u.provider, u.model, count(*), sum(u.tokens_in)::bigint,
        sum(u.tokens_out)::bigint, sum(u.cost)
    from analytics.api_usage as u
    where u.user_id = (select auth.uid())
        and u.created_at >= first_day::timestamp at time zone zone
        and u.created_at < (last_day + 1)::timestamp at time zone zone
    group by 1, 2, 3
    order by 1, 2, 3;
end
$$;

comment on function public.usage_summary(timestamptz) is 'What the caller''s use of models came to, by model, live.';
comment on function public.usage_by_day(date, date) is
'What the caller''s use of models came to, by day in their time zone and model, live.';

revoke execute on function public.usage_summary(timestamptz) from public;
revoke execute on function public.usage_by_day(date, date) from public;
