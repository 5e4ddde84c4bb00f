select g.id, g.project_id, g.prompt, ts_rank(w.words, q.words)
from private.search_query(%(rare_prompt)s, 'pg_catalog.english') as q (words), private.generation_words as w
join public.prompt_generations as g on g.id = w.generation_id
where w.words @@ q.words and g.project_id in (
    select p.id from public.projects as p where p.owner_id = %(person)s
    union all
    select c.project_id from public.collaborators as c where c.user_id = %(person)s and c.accepted_at is not null
)
order by ts_rank(w.words, q.words) desc, g.id desc
limit 20
