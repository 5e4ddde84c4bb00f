select p.id, p.title, ts_rank(p.search, q.words)
from public.projects as p, websearch_to_tsquery('pg_catalog.simple', %(words)s) as q (words)
where p.search @@ q.words and (
    p.owner_id = %(person)s
    or p.visibility = 'public' and p.archived_at is null
    or exists (
        select from public.collaborators as c
        where c.project_id = p.id and c.user_id = %(person)s and c.accepted_at is not null
    )
)
order by ts_rank(p.search, q.words) desc, p.id desc
limit 20
