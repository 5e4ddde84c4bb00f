-- list_recent_errors: what went wrong in the last hour, for administrators.
-- Role: service_role. Since: 0018. Reader.
-- Parameters: none.
-- Index: error_logs_created_at_idx.
-- Plan: BRIN: the few pages at the table's end.

select id, created_at, level, source, message, fingerprint
from analytics.error_logs
where created_at > now() - interval '1 hour'
limit 200;
