select c.project_id, c.kind, count(*)
from public.projects as p
join public.project_components as c on c.project_id = p.id
where p.owner_id = %(person)s
group by c.project_id, c.kind
