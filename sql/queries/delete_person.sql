-- delete_person: deletes a person with all that is theirs.
-- Role: authjs. Since: 0008.
-- Parameters: $1 person uuid.
-- Index: users_pkey, accounts_user_id_idx, sessions_user_id_idx, projects_owner_id_updated_at_id_idx,
--     collaborators_user_id_part_project_id_idx, collaborators_invited_by_idx,
--     audio_recordings_created_by_created_at_id_idx,
--     prompt_generations_created_by_created_at_id_idx, user_activity_user_id_created_at_id_idx,
--     api_usage_user_id_created_at_idx, error_logs_user_id_idx.
-- Plan: each foreign key, and each month of analytics, by its index.

delete from next_auth.users where id = $1;
