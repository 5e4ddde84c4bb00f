-- forget_file_events: housekeeping: events of more than 7 days ago that no server has fetched.
-- Role: app_owner. Since: 0035.
-- Parameters: none.
-- Index: file_events_pkey.
-- Plan: index scan of what is old and nothing else.

select ops.forget_file_events();
