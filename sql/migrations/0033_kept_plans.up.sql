-- 0033 kept_plans: functions that people ask at every visit, in PL/pgSQL, which keeps their plans for the session.
-- Lock: new bodies of functions only, none. Duration: instant.
-- Down: loses no data.

-- Steps run with row_security off, so that moving data fails loudly; the server tries the bodies of functions under
-- that setting too. Nothing is moved here.
set local row_security = on;

-- A function in SQL is planned anew by each query that calls it: some of these took four times as long as the query in
-- them. What they answer is the same, word for word; the names of what they return may stand for a column in a query.
-- What stands in schema public before one in private stays in SQL: its names are looked up when it is made, by us.
create or replace function private.my_invitations()
returns table (id uuid, project_id uuid, title text, role text, invited_by text, invited_at timestamptz)
language plpgsql stable security definer
set search_path = ''
rows 5
as $$
#variable_conflict use_column
begin
    return query
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
    order by c.invited_at desc;
end
$$;

create or replace function public.search_recordings(query text, page_size integer default 20)
returns table (id uuid, project_id uuid, title text, transcript text, created_at timestamptz, rank real)
language plpgsql stable
set search_path = ''
as $$
#variable_conflict use_column
begin
    return query
    select r.id, r.project_id, r.title, r.transcript, r.created_at, ts_rank(r.search, q.words) as rank
    from public.audio_recordings as r,
        websearch_to_tsquery('pg_catalog.simple'::regconfig, query) as q (words)
    where r.search @@ q.words
    order by ts_rank(r.search, q.words) desc, r.id desc
    limit least(page_size, 100);
end
$$;

create or replace function public.search_generations(query text, page_size integer default 20)
returns table (id uuid, project_id uuid, prompt text, response text, created_at timestamptz, rank real)
language plpgsql stable
set search_path = ''
as $$
#variable_conflict use_column
begin
    return query
    select g.id, g.project_id, g.prompt, g.response, g.created_at, ts_rank(g.search, q.words) as rank
    from public.prompt_generations as g,
        websearch_to_tsquery('pg_catalog.simple'::regconfig, query) as q (words)
    where g.search @@ q.words
    order by ts_rank(g.search, q.words) desc, g.id desc
    limit least(page_size, 100);
end
$$;

create or replace function public.usage_summary(since timestamptz default now() - interval '30 days')
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

create or replace function private.usage_by_day(since date, until date)
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
