-- 0026 usage_overview: what everybody's use of models comes to by day, without a trace of anybody in it.
-- Lock: a new materialized view and new functions only, none. Duration: instant.
-- Down: loses no data, the summary is made from what stays.

-- Steps run with row_security off, so that moving data fails loudly; the server tries the bodies of functions under
-- that setting too. Nothing is moved here.
set local row_security = on;

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

comment on materialized view analytics.usage_overview is 'Usage of all by day and model, of five people or more.';

-- Definer, as the summary is its owner's.
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

comment on function private.usage_overview(date, date) is 'See public.usage_overview.';
comment on function public.usage_overview(date, date) is 'What everybody''s usage comes to, rounded; nobody in it.';

revoke execute on function private.usage_overview(date, date) from public;
revoke execute on function public.usage_overview(date, date) from public;
