-- forget_calls: housekeeping: reservations that expired a day ago and keys of calls of more than a month ago.
-- Role: app_owner. Since: 0031.
-- Parameters: none.
-- Index: budget_reservations_expires_at_idx, recorded_calls_recorded_at_idx.
-- Plan: index scans of what is over and nothing else.

select ops.forget_calls();
