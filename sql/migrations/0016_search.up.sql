-- 0016 search: projects, transcripts and generations by their words, best match first.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- Definer, for speed and for nothing else: @@ is not leakproof, so behind a row policy the index of words is out of
-- reach and a search reads every project. The condition is that of projects_select_own_or_public, and a test holds the
-- two equal, row by row, for every kind of asker.
create function private.search_projects(query text, page_size integer, before_rank real, before_id uuid)
returns table (
    id uuid, owner_id uuid, title text, description text, visibility text, updated_at timestamptz, rank real
)
language sql stable security definer
set search_path = ''
rows 20
as $$
    select f.id, f.owner_id, f.title, f.description, f.visibility, f.updated_at, f.rank
    from (
        select p.*, ts_rank(p.search, q.words) as rank
        from public.projects as p,
            websearch_to_tsquery('pg_catalog.simple'::regconfig, query) as q (words)
        where p.search @@ q.words
            and (
                p.owner_id = (select auth.uid())
                or (p.visibility = 'public' and p.archived_at is null)
                or exists (
                    select from public.collaborators as c
                    where c.project_id = p.id and c.user_id = (select auth.uid()) and c.accepted_at is not null
                )
                or (select private.is_super_admin())
            )
    ) as f
    -- The page's end is the last row's rank and id, as in every other list.
    where before_rank is null or (f.rank, f.id) < (before_rank, before_id)
    order by f.rank desc, f.id desc
    limit least(page_size, 100)
$$;

create function public.search_projects(
    query text,
    page_size integer default 20,
    before_rank real default null,
    before_id uuid default null
)
returns table (
    id uuid, owner_id uuid, title text, description text, visibility text, updated_at timestamptz, rank real
)
language sql stable
set search_path = ''
begin atomic
    select s.id, s.owner_id, s.title, s.description, s.visibility, s.updated_at, s.rank
    from private.search_projects(query, page_size, before_rank, before_id) as s;
end;

-- As invoker: nothing here is public, so the policies narrow to the asker's own projects by index first, and what is
-- left to compare is little.
create function public.search_recordings(query text, page_size integer default 20)
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

create function public.search_generations(query text, page_size integer default 20)
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

comment on function private.search_projects(text, integer, real, uuid) is 'See public.search_projects.';
comment on function public.search_projects(text, integer, real, uuid) is 'Projects that the asker sees, by words.';
comment on function public.search_recordings(text, integer) is 'Recordings that the asker sees, by words.';
comment on function public.search_generations(text, integer) is 'Generations that the asker sees, by words.';

revoke execute on function private.search_projects(text, integer, real, uuid) from public;
revoke execute on function public.search_projects(text, integer, real, uuid) from public;
revoke execute on function public.search_recordings(text, integer) from public;
revoke execute on function public.search_generations(text, integer) from public;
