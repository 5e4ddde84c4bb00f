-- list_components_of_own_projects: the person's dashboard: how many components of which kind their projects have.
-- Role: authenticated. Since: 0013.
-- Parameters: none.
-- Index: projects_owner_id_updated_at_id_idx, project_components_project_id_position_key.
-- Plan: what is the person's, then the components of each by its index.

select c.project_id, c.kind, count(*)
from public.projects as p
join public.project_components as c on c.project_id = p.id
where p.owner_id = (select auth.uid())
group by c.project_id, c.kind;
