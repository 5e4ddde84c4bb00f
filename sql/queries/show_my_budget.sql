-- show_my_budget: what the person may use this month, has used, and has reserved.
-- Role: authenticated. Since: 0030. Cache: counter.
-- Parameters: none.
-- Index: budget_usage_pkey, budget_limits_pkey, budget_reservations_user_id_expires_at_idx.
-- Plan: one row of each by key, and what the person has reserved.

select measure, used, reserved, soft, hard, resets_at from public.my_budget();
