select p.id, p.title, p.owner_id, c.role, p.updated_at
from public.collaborators as c
join public.projects as p on p.id = c.project_id
where c.user_id = %(person)s and c.accepted_at is not null
order by p.updated_at desc, p.id desc
limit 20
