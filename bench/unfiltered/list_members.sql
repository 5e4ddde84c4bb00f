select p.owner_id, u.display_name, 'owner'
from public.projects as p
join public.users as u on u.id = p.owner_id
where p.id = %(project)s and (
    exists (select from public.projects as p where p.id = %(project)s and p.owner_id = %(person)s)
    or exists (
        select from public.collaborators as c
        where c.project_id = %(project)s and c.user_id = %(person)s and c.accepted_at is not null
    )
)
union all
select k.user_id, u.display_name, k.role
from public.collaborators as k
join public.users as u on u.id = k.user_id
where k.project_id = %(project)s and k.accepted_at is not null and (
    exists (select from public.projects as p where p.id = %(project)s and p.owner_id = %(person)s)
    or exists (
        select from public.collaborators as c
        where c.project_id = %(project)s and c.user_id = %(person)s and c.accepted_at is not null
    )
)
