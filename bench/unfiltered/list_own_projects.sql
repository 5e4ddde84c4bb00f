select id, title, description, visibility, updated_at
from public.projects
where owner_id = %(person)s and archived_at is null and (updated_at, id) < (%(before_time)s, %(before_id)s)
order by updated_at desc, id desc
limit 20
