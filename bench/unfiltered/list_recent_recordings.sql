select id, project_id, title, duration_ms, created_at
from public.audio_recordings
where project_id in (
    select p.id from public.projects as p where p.owner_id = %(person)s
    union all
    select c.project_id from public.collaborators as c where c.user_id = %(person)s and c.accepted_at is not null
)
order by created_at desc, id desc
limit 20
