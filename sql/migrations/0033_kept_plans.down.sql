-- 0033 kept_plans: back to functions in SQL, planned anew by each query that calls them.
-- Lock: new bodies of functions only, none. Duration: instant.
-- Down: loses no data.

-- As in the way up: the server tries the bodies of functions under the steps' row_security off.
set local row_security = on;

create or replace function private.my_invitations()
returns table (id uuid, project_id uuid, title text, role text, invited_by text, invited_at timestamptz)
language sql stable security definer
set search_path = ''
rows 5
as $$
    select c.id, c.project_id, p.title, c.role, u.display_name, c.invited_at
    from public.collaborators as c
    join public.projects as p on p.id = c.project_id
    left join public.users as u on u.id = c.invited_by
    where c.accepted_at is null
        and (
            c.user_id = (select auth.uid())
            or c.email is not null and lower(c.email) = (
                select lower(n.email) from next_auth.users as n
                where n.id = (select auth.uid()) and n."emailVerified" is not null
            )
        )
    order by c.invited_at desc
$$;

create or replace function public.search_recordings(query text, page_size integer default 20)
returns table (id uuid, project_id uuid, title text, transcript text, created_at timestamptz, rank real)
language sql stable
set search_path = ''
begin atomic
    select r.id, r.project_id, r.title, r.transcript, r.created_at, ts_rank(r.search, q.words) as rank
    from public.audio_recordings as r,
        websearch_to_tsquery('pg_catalog.simple'::regconfig, query) as q (words)
    where r.search @@ q.words
    order by ts_rank(r.search, q.words) desc, r.id desc
    limit least(page_size, 100);
end;

create or replace function public.search_generations(query text, page_size integer default 20)
returns table (id uuid, project_id uuid, prompt text, response text, created_at timestamptz, rank real)
language sql stable
set search_path = ''
begin atomic
    select g.id, g.project_id, g.prompt, g.response, g.created_at, ts_rank(g.search, q.words) as rank
    from public.prompt_generations as g,
        websearch_to_tsquery('pg_catalog.simple'::regconfig, query) as q (words)
    where g.search @@ q.words
    order by ts_rank(g.search, q.words) desc, g.id desc
    limit least(page_size, 100);
end;

create or replace function public.usage_summary(since timestamptz default now() - interval '30 days')
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

create or replace function private.usage_by_day(since date, until date)
returns table (day date, provider text, model text, requests bigint, tokens_in bigint, tokens_out bigint, cost numeric)
language sql stable security definer
set search_path = ''
as $$
    select d.day, d.provider, d.model, d.requests, d.tokens_in, d.tokens_out, d.cost
    from analytics.daily_usage as d
    where d.user_id = (select auth.uid()) and d.day between since and until
    order by d.day, d.provider, d.model
$$;
