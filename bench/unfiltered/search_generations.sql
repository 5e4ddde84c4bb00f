select g.id, g.project_id, g.prompt, ts_rank(g.search, q.words)
from public.prompt_generations as g, websearch_to_tsquery('pg_catalog.simple', %(words)s) as q (words)
where g.search @@ q.words and g.project_id in (
    select p.id from public.projects as p where p.owner_id = %(person)s
    union all
    select c.project_id from public.collaborators as c where c.user_id = %(person)s and c.accepted_at is not null
)
order by ts_rank(g.search, q.words) desc, g.id desc
limit 20
