select r.id, r.project_id, r.title, ts_rank(w.words, q.words)
from private.search_query(%(rare_transcript)s, 'pg_catalog.english') as q (words), private.recording_words as w
join public.audio_recordings as r on r.id = w.recording_id
where w.words @@ q.words and r.project_id in (
    select p.id from public.projects as p where p.owner_id = %(person)s
    union all
    select c.project_id from public.collaborators as c where c.user_id = %(person)s and c.accepted_at is not null
)
order by ts_rank(w.words, q.words) desc, r.id desc
limit 20
