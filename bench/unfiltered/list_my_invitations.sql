select c.id, p.title, c.role, u.display_name, c.expires_at
from (
    select distinct on (o.project_id) o.*
    from public.collaborators as o
    where o.expires_at > now() and (
        o.user_id = %(person)s
        or o.email is not null and o.email = (
            select n.email from next_auth.users as n
            where n.id = %(person)s and n."emailVerified" is not null
        )
    )
    order by o.project_id, array_position(array['admin', 'editor', 'viewer'], o.role), o.id
) as c
join public.projects as p on p.id = c.project_id
left join public.users as u on u.id = c.invited_by
order by c.invited_at desc
