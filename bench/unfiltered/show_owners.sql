select p.id, p.owner_id, u.display_name, u.avatar_url
from public.projects as p join public.users as u on u.id = p.owner_id
where p.id = any(%(public_projects)s) and p.visibility = 'public' and p.archived_at is null
