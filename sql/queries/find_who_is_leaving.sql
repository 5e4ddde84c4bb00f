-- find_who_is_leaving: of whom something is still to be deleted, asked with every list of projects.
-- Role: app_owner. Since: 0002.
-- Parameters: none.
-- Index: departures_departed_at_idx.
-- Plan: index scan of those who are waiting; mostly nobody.

select private.leaving();
