select id, title, description, owner_id, updated_at
from public.projects
where visibility = 'public' and archived_at is null and (updated_at, id) < (%(before_time)s, %(before_id)s)
order by updated_at desc, id desc
limit 20
