select r.id, r.project_id, r.title, ts_rank(r.search, q.words)
from public.audio_recordings as r, websearch_to_tsquery('pg_catalog.simple', %(words)s) as q (words)
where r.search @@ q.words and r.project_id in (
    select p.id from public.projects as p where p.owner_id = %(person)s
    union all
    select c.project_id from public.collaborators as c where c.user_id = %(person)s and c.accepted_at is not null
)
order by ts_rank(r.search, q.words) desc, r.id desc
limit 20
