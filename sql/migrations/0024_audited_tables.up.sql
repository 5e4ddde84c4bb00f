-- 0024 audited_tables: whose changes the audit log records: people, identities, projects, members, files, buckets.
-- Lock: share row exclusive on each of the tables for its triggers. Duration: instant.
-- Down: drops the triggers; what was recorded stays in the log.

-- Values that say who may do what, and who is who. Of what is large, or only a matter of taste, that it changed. What
-- is in neither list leaves no entry: dates that triggers set, a search vector, a title of a recording. What tells
-- somebody about a person is sealed with that person's key: no other place says which columns are personal.
select private.audit_table(
    'public.users',
    recorded => '{display_name, avatar_url, locale, time_zone, is_super_admin}',
    withheld => '{settings}',
    sealed => '{display_name, avatar_url, locale, time_zone}',
    person => 'id'
);
select private.audit_table(
    'public.projects',
    recorded => '{owner_id, title, visibility, archived_at}',
    withheld => '{description, settings}',
    sealed => '{title}',
    person => 'owner_id'
);
select private.audit_table(
    'public.collaborators',
    recorded => '{project_id, user_id, email, role, invited_by, accepted_at}',
    sealed => '{email}',
    person => 'email'
);
-- The titles and transcripts of recordings are edited as people work; what is asked of this log is which file came,
-- which went, and what the scanner said.
select private.audit_table(
    'public.audio_recordings',
    recorded => '{project_id, created_by, bucket_id, object_path, mime_type, bytes, scan_status, scanned_at}'
);
select private.audit_table(
    'next_auth.users',
    recorded => '{name, email, emailVerified, image}',
    sealed => '{name, email, image}',
    person => 'id'
);
-- Never a token, nor a hash of one. Sessions and sign-in links are not recorded at all: each page that a person opens
-- may move a session's end, and nearly all there is to say of either is its secret.
select private.audit_table(
    'next_auth.accounts',
    recorded => '{type, provider, providerAccountId, userId, scope, token_type}',
    withheld => '{refresh_token, access_token, id_token, oauth_token, oauth_token_secret}',
    sealed => '{providerAccountId}',
    person => 'userId'
);

-- What people drag and generate all day is their own affair; a super administrator in somebody else's is not.
select private.audit_table(
    'public.project_components',
    recorded => '{project_id, parent_id, recording_id, kind, x, y, width, height, position}',
    withheld => '{title, properties}',
    super_admins_only => true
);
select private.audit_table(
    'public.prompt_generations',
    recorded => '{project_id, created_by, provider, model, status, cost}',
    withheld => '{prompt, parameters, response, error}',
    super_admins_only => true
);

-- The platform's own table: only the login has a right to it by its owner and to our function by ours.
reset role;
select private.audit_table(
    'storage.buckets', recorded => '{name, owner_id, public, file_size_limit, allowed_mime_types, type}'
);
alter function private.tg_storage_buckets__audit() owner to app_owner;
set local role app_owner;
