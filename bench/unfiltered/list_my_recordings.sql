select id, project_id, title, duration_ms, created_at
from public.audio_recordings as r
where r.created_by = %(person)s and (r.created_at, r.id) < (%(before_time)s, %(before_id)s)
and (
    exists (select from public.projects as p where p.id = r.project_id and p.owner_id = %(person)s)
    or exists (
        select from public.collaborators as c
        where c.project_id = r.project_id and c.user_id = %(person)s and c.accepted_at is not null
    )
)
order by r.created_at desc, r.id desc
limit 20
