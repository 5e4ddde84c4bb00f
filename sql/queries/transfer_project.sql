-- transfer_project: hands a project over to one of its collaborators; the former owner stays as an admin.
-- Role: authenticated. Since: 0010.
-- Parameters: $1 team_project uuid, $2 member uuid.
-- Index: projects_pkey, collaborators_project_id_user_id_key.
-- Plan: the project by its key, the membership by project and person.

select public.transfer_project($1, $2);
