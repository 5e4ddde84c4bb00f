-- show_error_history: when one error occurred lately, for administrators.
-- Role: service_role. Since: 0018. Reader.
-- Parameters: $1 fingerprint text.
-- Index: error_logs_fingerprint_created_at_idx.
-- Plan: index scans of the months, newest month first.

select id, created_at, user_id, request_id
from analytics.error_logs
where fingerprint = $1
order by created_at desc
limit 50;
