select c.id, p.title, c.role, u.display_name
from public.collaborators as c
join public.projects as p on p.id = c.project_id
left join public.users as u on u.id = c.invited_by
where c.accepted_at is null and (
    c.user_id = %(person)s
    or c.email is not null and lower(c.email) = (
        select lower(n.email) from next_auth.users as n
        where n.id = %(person)s and n."emailVerified" is not null
    )
)
order by c.invited_at desc
