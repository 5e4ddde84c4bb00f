select p.id, p.title, ts_rank(w.words, q.words)
from private.search_query(%(rare_words)s, 'pg_catalog.english') as q (words), private.project_words as w
join public.projects as p on p.id = w.project_id
where w.words @@ q.words and (
    p.owner_id = %(person)s
    or p.visibility = 'public' and p.archived_at is null
    or exists (
        select from public.collaborators as c
        where c.project_id = p.id and c.user_id = %(person)s and c.accepted_at is not null
    )
)
order by ts_rank(w.words, q.words) desc, p.id desc
limit 20
