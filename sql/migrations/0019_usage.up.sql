-- 0019 usage: what a person's use of models came to.
-- Lock: a new function only, none. Duration: instant.
-- Down: drops the function; loses no data.

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

comment on function public.usage_summary(timestamptz) is 'What the asker''s use of models came to, by model, live.';

revoke execute on function public.usage_summary(timestamptz) from public;
