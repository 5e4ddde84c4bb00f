-- take_file_events: what became of stored files: the next events for the app's server.
-- Role: service_role. Since: 0035.
-- Parameters: none.
-- Index: file_events_taken_at_id_idx.
-- Plan: index scan in order, as far as there are free rows; then each by its key.

select id, bucket_id, object_path, version, event from public.take_file_events(50);
