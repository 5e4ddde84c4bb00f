-- show_changes_by_person: what one person changed, newest first, for administrators.
-- Role: app_owner. Since: 0024.
-- Parameters: $1 person text.
-- Index: log_actor_created_at_idx.
-- Plan: index scans of the months, whose few rows are put in order.

select created_at, relation, operation, row_id, old, new, withheld
from audit.entries
where actor = $1
order by created_at desc
limit 50;
