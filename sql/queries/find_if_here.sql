-- find_if_here: whether the caller has left, asked with every table that people reach.
-- Role: app_owner. Since: 0002.
-- Parameters: none.
-- Index: departures_pkey.
-- Plan: one index look-up.

select private.is_here();
