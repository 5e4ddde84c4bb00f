-- take_deletions: the next files to delete from the object store.
-- Role: service_role. Since: 0011.
-- Parameters: none.
-- Index: deletion_queue_taken_at_id_idx.
-- Plan: index scan in order, as far as there are free rows; then each by its key.

select id, bucket_id, object_path from public.take_deletions(50);
