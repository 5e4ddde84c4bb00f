-- show_row_history: what happened to one row, newest first, for administrators.
-- Role: app_owner. Since: 0024.
-- Parameters: $1 person text.
-- Index: log_row_id_created_at_idx.
-- Plan: index scans of the months, whose few rows are put in order.

select created_at, relation, operation, actor, login, role, old, new, withheld
from audit.entries
where row_id = $1
order by created_at desc
limit 50;
