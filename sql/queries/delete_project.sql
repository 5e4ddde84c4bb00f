-- delete_project: deletes a project with all that is in it.
-- Role: authenticated. Since: 0008.
-- Parameters: $1 project uuid.
-- Index: projects_pkey, collaborators_project_id_id_idx, project_components_project_id_position_key,
--     project_components_parent_id_project_id_idx, project_components_recording_id_idx,
--     audio_recordings_project_id_created_at_id_idx, prompt_generations_project_id_created_at_id_idx.
-- Plan: each foreign key by its index.

delete from public.projects where id = $1;
