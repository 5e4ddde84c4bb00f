-- date_undated: housekeeping: projects that changed while another session held them.
-- Role: app_owner. Since: 0007.
-- Parameters: none.
-- Index: projects_pkey.
-- Plan: index scan by the keys of what was noted.

select ops.date_undated();
