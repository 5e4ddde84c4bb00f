-- list_my_activity: what the person did, newest first, a page by key.
-- Role: authenticated. Since: 0018. Reader.
-- Parameters: $1 before_time timestamptz, $2 before_id uuid.
-- Index: user_activity_user_id_created_at_id_idx.
-- Plan: index scans of the months, newest month first; it stops when the page is full.

select id, created_at, action, project_id
from analytics.user_activity
where user_id = (select auth.uid()) and created_at <= $1 and (created_at, id) < ($1, $2)
order by created_at desc, id desc
limit 50;
